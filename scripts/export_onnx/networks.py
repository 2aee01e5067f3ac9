"""The registered networks, built without weights: torchvision's by name, with special cases."""

import pathlib
import types
from dataclasses import dataclass
from typing import Callable

import torch
import torchvision


@dataclass(frozen=True)
class Network:
    build: Callable[[], torch.nn.Module]
    size: int = 224  # pixels of the square input
    outputs: tuple[str, ...] = ("logits",)


def _torchvision(name, **options):
    return lambda: getattr(torchvision.models, name)(weights=None, **options)


def efficientnet_lite0():
    """EfficientNet-Lite0 of the package efficientnet-lite-pytorch, made exportable.

    Three things differ from the package, none of them a parameter:

    - drop connect (stochastic depth, rate 0.2) is off: it draws random numbers
      in the graph, and in evaluation it does nothing;
    - the last reshape is a flatten, so that no batch size is computed in the graph;
    - TensorFlow's one-sided padding becomes an attribute of each convolution
      (`conv_pads`) instead of a Pad node before it.
    """
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0", drop_connect_rate=0.0)
    model.conv_pads = {}
    for name, module in model.named_modules():
        padding = getattr(module, "static_padding", None)
        if not isinstance(padding, torch.nn.ZeroPad2d):
            continue
        left, right, top, bottom = padding.padding
        model.conv_pads[name + ".weight"] = [top, left, bottom, right]
        # While tracing, symmetric padding that gives an output of the same size.
        module.static_padding = torch.nn.Identity()
        module.padding = (bottom, right)

    def forward(self, images):
        x = self._avg_pooling(self.extract_features(images))
        return self._fc(self._dropout(torch.flatten(x, 1)))

    model.forward = types.MethodType(forward, model)
    return model


SPECIAL = {
    "vgg11_bn": Network(_torchvision("vgg11_bn", init_weights=False)),
    # torchvision turns transform_input on for its pretrained weights.
    "inception_v3": Network(
        _torchvision("inception_v3", aux_logits=True, transform_input=True, init_weights=False),
        size=299,
        outputs=("logits", "aux_logits"),
    ),
    "efficientnet_lite0": Network(efficientnet_lite0),
}

GRAPHS = pathlib.Path(__file__).parents[2] / "backbones" / "graphs"


def registered():
    """The names of the networks that have graphs."""
    return sorted(path.stem for path in GRAPHS.glob("*.onnx"))


def network(name):
    """The network of a name, None if neither torchvision nor this file has it."""
    if name in SPECIAL:
        return SPECIAL[name]
    if name not in torchvision.models.list_models(module=torchvision.models):
        return None
    crop = list(torchvision.models.get_model_weights(name))[0].transforms().crop_size
    return Network(_torchvision(name), size=crop[0])

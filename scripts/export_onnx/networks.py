"""Builds the registered networks, without weights: what is special about some of them is here."""

import types

import torch
import torchvision

import registry
from failure import Failure


def build(network):
    """The module of a row of registry.json, with its constructor's random weights."""
    kind, _, name = network["source"].partition(":")
    options = network.get("options", {})
    torch.manual_seed(0)
    if kind == "torchvision":
        return torchvision.models.get_model(name, weights=None, **options)
    if kind == "timm":
        import timm

        timm.layers.set_fused_attn(False)  # its ONNX form is longer, and some networks have none
        model = timm.create_model(name, pretrained=False, **options)
        if options.get("num_classes") == 0:
            # Dropout of rate 0, whose output the features would be.
            model.head_drop = torch.nn.Identity()
            if hasattr(model.head, "drop"):
                model.head.drop = torch.nn.Identity()
        return model
    if network["source"] == "efficientnet_lite_pytorch:efficientnet-lite0":
        return efficientnet_lite0()
    raise Failure(f"{network['name']}: nothing here builds {network['source']!r}")


def original(network):
    """The module as its own package builds it: what the exported graph is compared with."""
    if network["name"] == "efficientnet_lite0":
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name("efficientnet-lite0")
    return build(network)


def size(network):
    """Pixels of the side of a network's square input."""
    return network["weights"][0]["preprocess"]["crop"]


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

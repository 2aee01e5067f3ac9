"""The reference by torch, torchvision and Pillow: networks, preprocessing, features.

Nothing here comes from fx, so that the comparisons are with the outside world.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms
from torchvision.transforms import InterpolationMode


@dataclass(frozen=True)
class Preprocess:
    resize: int
    crop: int
    interpolation: str = "bilinear"
    mean: tuple = (0.485, 0.456, 0.406)
    std: tuple = (0.229, 0.224, 0.225)
    mode: str = "crop"

    @classmethod
    def of(cls, text):
        """From the metadata fx.preprocess of an ONNX file."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()})

    def fit(self):
        """torchvision's Resize and CenterCrop."""
        size = (self.resize, self.resize) if self.mode == "squash" else self.resize
        return transforms.Compose([transforms.Resize(size, InterpolationMode(self.interpolation)), transforms.CenterCrop(self.crop)])

    def pixels(self, path):
        """uint8 [crop, crop, 3] of a photo, by Pillow and torchvision."""
        with Image.open(path) as photo:
            rgb = photo.convert("RGB")
        return np.asarray(self.fit()(rgb))

    def transform(self):
        """A photo of Pillow to float32 [3, crop, crop], normalised."""
        return transforms.Compose([self.fit(), transforms.ToTensor(), transforms.Normalize(self.mean, self.std)])

    def tensor(self, pixels):
        """float32 [batch, 3, crop, crop] of uint8 [batch, crop, crop, 3], normalised."""
        batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        return transforms.Normalize(self.mean, self.std)(batch)


@dataclass(frozen=True)
class Network:
    head: str  # the module whose input is what fx caches, but for dropout
    preprocess: Preprocess = Preprocess(224, 224)


# The tutorial resizes straight to the network's input. EfficientNet-Lite is
# TensorFlow's: bicubic, 224 of 256, mean 127 and deviation 128 of 0-255.
LITE = Preprocess(256, 224, "bicubic", (127 / 255,) * 3, (128 / 255,) * 3)
NETWORKS = {
    "resnet18": Network("fc"),
    "alexnet": Network("classifier.6"),
    "vgg11_bn": Network("classifier.6"),
    "squeezenet1_0": Network("classifier.1"),
    "squeezenet1_1": Network("classifier.1"),
    "densenet121": Network("classifier"),
    "inception_v3": Network("fc", Preprocess(299, 299)),
    "efficientnet_lite0": Network("_fc", LITE),
}


def build(name):
    """The network of its own package, in evaluation mode."""
    if name == "efficientnet_lite0":
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name("efficientnet-lite0").eval()
    options = {}
    if name == "inception_v3":  # transform_input: as torchvision has it for its pretrained weights
        options = {"aux_logits": True, "transform_input": True, "init_weights": False}
    return getattr(torchvision.models, name)(weights=None, **options).eval()


def features(model, head, preprocess, pixels, batch=16):
    """The input of the head, float32 [photos, values], in evaluation mode."""
    kept = []
    module = model.get_submodule(head)
    hook = module.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0].flatten(1).numpy().copy()))
    with torch.no_grad():
        for start in range(0, len(pixels), batch):
            model(preprocess.tensor(pixels[start : start + batch]))
    hook.remove()
    return np.concatenate(kept)


def load(model, path):
    """Loads a state dict that may lack buffers which are the same for all weights."""
    state = load_file(path)
    missing = set(model.state_dict()) - set(state)
    buffers = {n for n, _ in model.named_buffers() if not n.endswith(("running_mean", "running_var"))}
    assert missing <= buffers and not set(state) - set(model.state_dict()), (missing, set(state) - set(model.state_dict()))
    whole = model.state_dict()  # with the versions that MNASNet asks for
    whole.update(state)
    model.load_state_dict(whole)


def features_of(row, model, batch):
    """The features of the row's default pooling, and the network's own output."""
    kept, tokens = {}, row.get("tokens")
    keep = lambda key: lambda _module, inputs, output: kept.update({key: (inputs[0], output)})
    if "head" in row:
        model.get_submodule(row["head"]["weight"].removesuffix(".weight")).register_forward_hook(keep("head"))
    if tokens:
        norm = "encoder.ln" if isinstance(model, torchvision.models.VisionTransformer) else "norm"
        model.get_submodule(norm).register_forward_hook(keep("tokens"))
    with torch.no_grad():
        output = model(batch)
    pool = row.get("pool")
    if pool == "cls+mean":
        t = kept["tokens"][1]
        return torch.cat([t[:, 0], t[:, tokens["prefix"] :].mean(1)], 1), output
    return kept["head"][0] if "head" in row else output, output


def enliven(model, preprocess, pixels):
    """Give the random network the statistics of a trained one.

    With PyTorch's first weights all photos give nearly the same features and
    batch normalisation does nothing, so that many faults would not show. Here
    the weights keep the signal's size from layer to layer (He), scale and shift
    are random, and the running statistics are those of the photos.
    """
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.weight.data.mul_(6**0.5)  # uniform ±1/√fan_in has a sixth of He's variance
        if isinstance(module, torch.nn.LayerNorm) and module.elementwise_affine:
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
            module.reset_running_stats()
            module.momentum = None  # cumulative average: the batch's own statistics
            module.train()
    with torch.no_grad():
        model(preprocess.tensor(pixels))
    return model.eval()


def distances(got, want):
    """Relative L2 of each photo's features."""
    got, want = got.astype(np.float64), want.astype(np.float64)
    return np.linalg.norm(got - want, axis=1) / np.linalg.norm(want, axis=1)


def spread(want):
    """The distance between photos, the scale of a relative distance."""
    want = want.astype(np.float64)
    centre = want.mean(axis=0)
    return float(np.linalg.norm(want - centre, axis=1).mean() / np.linalg.norm(want, axis=1).mean())

"""Writes initial.json: what torchvision's constructors draw their weights from.

    pip install torch torchvision efficientnet_lite_pytorch
    python backbones/testdata/make_initial.py

For every weight and bias of the layers that are no batch normalisation: mean,
standard deviation and mean absolute value of one draw, torch.manual_seed(0).
The last two together tell a normal distribution (0.80) from a uniform one
(0.87). Batch normalisation is checked here: scale 1, shift 0.
"""

import json
import pathlib

import torch
import torchvision

NAMES = ["resnet18", "alexnet", "vgg11_bn", "squeezenet1_0", "squeezenet1_1", "densenet121", "inception_v3", "efficientnet_lite0"]


def network(name):
    if name == "efficientnet_lite0":
        from efficientnet_lite_pytorch import EfficientNet

        return EfficientNet.from_name("efficientnet-lite0")
    options = {"aux_logits": True, "init_weights": True} if name == "inception_v3" else {}
    return getattr(torchvision.models, name)(weights=None, **options)


def statistics(name):
    torch.manual_seed(0)
    found = {}
    for path, module in network(name).named_modules():
        for key, value in module.named_parameters(recurse=False):
            value = value.detach().double()
            if isinstance(module, torch.nn.BatchNorm2d):
                assert (value == (1 if key == "weight" else 0)).all(), f"{name} {path}.{key}"
                continue
            numbers = value.mean(), value.std(correction=0), value.abs().mean()
            found[f"{path}.{key}"] = [float(f"{v.item():.5g}") for v in numbers]
    return found


if __name__ == "__main__":
    lines = [f' "{n} {p}": {json.dumps(v)}' for n in NAMES for p, v in statistics(n).items()]
    target = pathlib.Path(__file__).with_name("initial.json")
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")

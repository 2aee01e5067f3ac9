"""torchvision's networks, cut at the tensor that fx caches: what goes into the last layer. Their table is scripts/parity's."""

import pathlib
import sys

import torch
from safetensors.torch import load_file
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts" / "parity"))
import reference  # noqa: E402


def whole(name, weights):
    """The network of torchvision, in evaluation, with the weights of a file."""
    with torch.device("meta"):  # no time for random weights that the file replaces
        model = reference.build(name)
    state = {k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()}  # a file may hold float16
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval()


def cut(name, weights):
    """The network without its last layer. SqueezeNet's features are its last map, 512×13×13."""
    model = whole(name, weights)
    if name == "squeezenet1_1":
        return model.features
    parent, _, last = reference.NETWORKS[name].head.rpartition(".")
    setattr(model.get_submodule(parent), last, nn.Identity())
    return model


def preprocessing(name):
    """A photo's centre as the tutorial takes it, which fx computes to the same bit."""
    return reference.NETWORKS[name].preprocess.transform()


def size(name):
    """Pixels of a photo's side."""
    return reference.NETWORKS[name].preprocess.crop

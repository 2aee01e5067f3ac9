"""torchvision's networks, cut at the tensor that fx caches: what goes into the last layer."""

import torch
import torchvision
from safetensors.torch import load_file
from torch import nn
from torchvision import transforms

LAST = {
    "resnet18": "fc", "alexnet": "classifier.6", "vgg11_bn": "classifier.6", "squeezenet1_1": "classifier",
    "densenet121": "classifier", "inception_v3": "fc",
}  # fmt: skip
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def size(name):
    """Pixels of a photo's side."""
    return 299 if name == "inception_v3" else 224


def whole(name, weights):
    """The network of torchvision, in evaluation, with the weights of a file."""
    options = {}
    if name == "inception_v3":  # transform_input: as torchvision has it for its pretrained weights
        options = {"aux_logits": True, "transform_input": True, "init_weights": False}
    with torch.device("meta"):  # no time for random weights that the file replaces
        model = getattr(torchvision.models, name)(weights=None, **options)
    state = {k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()}  # a file may hold float16
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval()


def cut(name, weights):
    """The network without its last layer. SqueezeNet's features are its last map, 512×13×13."""
    model = whole(name, weights)
    if name == "squeezenet1_1":
        return model.features
    parent, _, last = LAST[name].rpartition(".")
    setattr(model.get_submodule(parent), last, nn.Identity())
    return model


def preprocessing(name):
    """A photo's centre as the tutorial takes it, which fx computes to the same bit."""
    pixels = size(name)
    return transforms.Compose([
        transforms.Resize(pixels), transforms.CenterCrop(pixels), transforms.ToTensor(), transforms.Normalize(MEAN, STD),
    ])  # fmt: skip

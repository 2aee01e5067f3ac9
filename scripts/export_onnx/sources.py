"""A user's own network: from torchvision, from timm, or from a Python file."""

import difflib
import importlib.util
import os
import pickle
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.error import URLError

import torch
import torchvision
from torchvision.models import vision_transformer

import preprocessing
from failure import Failure


@dataclass
class Source:
    name: str
    model: torch.nn.Module
    preprocess: dict  # preprocess.Spec of fx
    weights: str  # where they come from, for the file's metadata
    notes: list = field(default_factory=list)
    headless: bool = False  # no classifier: the output is the features


def _unknown(kind, name, known):
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return Failure(f"{kind} has no network {name!r}.{hint}")


def from_torchvision(name, weights=None, classes=None, size=None, transform_input=None):
    """weights: None (random), a name of torchvision's weights such as DEFAULT, or a file.

    size: pixels of the square input, None for the network's own. transform_input: that of
    inception_v3 and googlenet; None turns it on for weights, as torchvision does for its own.
    """
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        raise _unknown("torchvision", name, known)
    choices = torchvision.models.get_model_weights(name)
    options = {} if classes is None else {"num_classes": classes}
    official = getattr(choices, weights, None) if weights and weights.isidentifier() else None
    if official is None:

        def make(more):
            model = torchvision.models.get_model(name, weights=None, **options, **more)
            if weights:
                load(model, weights)
            return model

        model = _sized(make, {"image_size": size} if size else {})
        entry, notes = _likeliest(choices, weights)
        said = origin(weights)
    else:
        if classes is not None:
            raise Failure(f"--classes cannot change torchvision's own weights {weights}: leave it out, or give --weights FILE")
        try:
            model = torchvision.models.get_model(name, weights=official)
        except (URLError, OSError, RuntimeError) as error:
            raise Failure(
                f"cannot get {official.url}: {error}. Download it by other means and give --weights FILE.", code=4
            ) from error
        entry, notes, said = official, [], f"torchvision {official}"
    if transform_input is not None and "transform_input" not in vars(model):
        raise Failure("--transform-input is for inception_v3 and googlenet")
    if transform_input is not None:
        model.transform_input = transform_input
    elif weights and official is None and "transform_input" in vars(model):
        model.transform_input = True
        notes.append("transform_input is on, as for torchvision's own weights; --no-transform-input turns it off")
    if size and isinstance(model, vision_transformer.VisionTransformer) and size != model.image_size:
        _check_patches(size, model.patch_size)
        state = vision_transformer.interpolate_embeddings(size, model.patch_size, model.state_dict())
        model = torchvision.models.get_model(name, weights=None, image_size=size, num_classes=model.num_classes)
        model.load_state_dict(state)
    return Source(name, model, preprocessing.of_torchvision(entry), said, notes)


def _sized(make, at_size):
    """What make builds of its own size, or of the size asked for, where the weights are of that size."""
    try:
        return make({})
    except Failure:
        if not at_size:
            raise
        try:
            return make(at_size)
        except (Failure, TypeError):
            pass
        raise


def _check_patches(size, patch):
    if size % patch:
        raise Failure(f"--size {size} is not a multiple of the network's patch of {patch} pixels")


def _likeliest(choices, weights):
    """The entry whose preprocessing fits: the file's own, else the first."""
    entries = list(choices)
    for entry in entries:
        if weights and os.path.basename(entry.url) == os.path.basename(weights):
            return entry, []
    return entries[0], [f"preprocessing is that of {entries[0]}: --resize, --size, --mode, --mean, --std change it"]


def from_timm(name, pretrained=False, weights=None, classes=None, size=None):
    """size: pixels of the square input, None for the network's own. timm interpolates the position table."""
    try:
        import timm
    except ImportError as error:
        raise Failure("--timm needs the package timm: pip install -r requirements.txt") from error
    if not timm.is_model(name):
        raise _unknown("timm", name, timm.list_models() + timm.list_pretrained())
    options = {} if classes is None else {"num_classes": classes}
    model = _sized(
        lambda more: _timm_model(name, pretrained, weights, {**options, **more}), {"img_size": size} if size else {}
    )
    spec, notes = preprocessing.of_timm(model)
    if size and size != spec["crop"]:
        if hasattr(model, "set_input_size"):
            patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
            if patch:
                _check_patches(size, patch[0])
            model.set_input_size(img_size=(size, size))
        elif model.pretrained_cfg.get("fixed_input_size"):
            model = _timm_model(name, pretrained, weights, {**options, "img_size": size})
    tag = model.pretrained_cfg.get("tag") or "default"
    said = f"timm {model.pretrained_cfg.get('architecture', name)}.{tag}" if pretrained and not weights else origin(weights)
    return Source(name, model, spec, said, notes, headless=model.num_classes == 0)


def _timm_model(name, pretrained, weights, options):
    import timm

    try:
        model = timm.create_model(name, pretrained=pretrained and not weights, **options)
    except TypeError as error:
        if "img_size" in options:
            raise Failure(f"{name} takes images of its own size only: leave out --size") from error
        raise
    except Exception as error:  # whatever the hub's client raises
        if not pretrained or weights:
            raise
        raise Failure(
            f"cannot get timm's weights for {name}: {error}. Download them by other means and give --weights FILE.", code=4
        ) from error
    if weights:
        load(model, weights)
    return model


def from_module(target, weights=None):
    """target is FILE.py:FUNCTION; the function takes nothing and returns a torch.nn.Module."""
    path, separator, function = target.rpartition(":")
    if not separator or not path or not function:
        raise Failure(f"--module {target}: write it as FILE.py:FUNCTION")
    if not os.path.isfile(path):
        raise Failure(f"--module {target}: there is no file {path}")
    folder = os.path.dirname(os.path.abspath(path))
    if folder not in sys.path:
        sys.path.insert(0, folder)  # so that the file finds its neighbours
    spec = importlib.util.spec_from_file_location("fx_own_network", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise Failure(f"--module {target}: importing {path} failed: {type(error).__name__}: {error}") from error
    make = getattr(module, function, None)
    if not callable(make):
        raise Failure(f"--module {target}: {path} has no function {function!r}")
    model = make()
    if not isinstance(model, torch.nn.Module):
        raise Failure(f"--module {target}: {function}() returned {type(model).__name__}, where a torch.nn.Module is expected")
    if weights:
        load(model, weights)
    notes = ["preprocessing is ImageNet's at 224 pixels: --resize, --size, --mode, --interpolation, --mean, --std change it"]
    said = origin(weights) if weights else f"{os.path.basename(path)}:{function}"
    return Source(function, model, preprocessing.imagenet(224, 224), said, notes)


def origin(weights):
    return os.path.basename(weights) if weights else "random"


def load(model, path):
    """Load a state dict (.pth, .pt, .safetensors) with strict names and shapes."""
    if not os.path.isfile(path):
        raise Failure(f"--weights {path}: there is no such file, and no weights of that name")
    state = _read(path)
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise Failure(f"{path} holds no state dict: save one with torch.save(model.state_dict(), FILE)", code=4)
    if state and all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    if not hasattr(state, "_metadata"):  # MNASNet asks for the version in it
        state = OrderedDict(state)
        state._metadata = model.state_dict()._metadata
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        shapes = " ".join(str(error).split())
        raise Failure(f"{path} does not fit: {shapes}. --classes N builds another number of classes.", code=4) from error
    missing = [n for n in result.missing_keys if not n.endswith("num_batches_tracked")]
    if missing or result.unexpected_keys:
        raise Failure(
            f"{path} does not fit: {len(missing)} tensors missing {missing[:4]}, "
            f"{len(result.unexpected_keys)} unknown {result.unexpected_keys[:4]}",
            code=4,
        )


def _read(path):
    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise Failure(f"cannot read {path}: {' '.join(str(error).split())[:300]}", code=4) from error
    except Exception as error:
        if type(error).__name__ == "SafetensorError":
            raise Failure(f"cannot read {path}: {error}", code=4) from error
        raise

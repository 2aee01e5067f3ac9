"""What fx must do to a photo before a network sees it: fx's preprocess.Spec."""

import math

from failure import Failure

IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]
INTERPOLATIONS = ("bilinear", "bicubic")


def spec(resize, crop, interpolation, mean, std, mode="crop"):
    return {
        "mode": mode,
        "resize": int(resize),
        "crop": int(crop),
        "interpolation": interpolation,
        "mean": [float(v) for v in mean],
        "std": [float(v) for v in std],
    }


def imagenet(resize, crop):
    return spec(resize, crop, "bilinear", IMAGENET_MEAN, IMAGENET_STD)


def of_torchvision(weights):
    """From an entry of torchvision's weights; nothing is downloaded."""
    transform = weights.transforms()
    return spec(
        transform.resize_size[0], transform.crop_size[0], transform.interpolation.value, transform.mean, transform.std
    )


def of_timm(model):
    """From timm's data configuration, and notes on what fx does otherwise."""
    from timm.data import resolve_data_config

    config, notes = resolve_data_config({}, model=model), []
    _, height, width = config["input_size"]
    if height != width:
        raise Failure(f"the network takes {height}×{width} images, but fx supports only squares: --size N exports it for N×N")
    crop_mode = config.get("crop_mode", "center")
    mode = {"center": "crop", "squash": "squash"}.get(crop_mode)
    if mode is None:
        notes.append(f"timm's crop mode is {crop_mode!r}; fx resizes the shorter side and crops the centre")
        mode = "crop"
    interpolation = config["interpolation"]
    if interpolation not in INTERPOLATIONS:
        notes.append(f"timm's interpolation is {interpolation!r}; fx uses bicubic (--interpolation changes it)")
        interpolation = "bicubic"
    # As timm.data.transforms_factory.transforms_imagenet_eval: floor(size / crop_pct).
    resize = math.floor(height / config["crop_pct"])
    return spec(resize, height, interpolation, config["mean"], config["std"], mode), notes


def override(base, size=None, resize=None, mode=None, interpolation=None, mean=None, std=None):
    """Apply the user's flags; a size alone keeps the ratio of resize to crop.

    The mode crop is left out, as in what fx itself writes."""
    result = dict(base)
    if size:
        result["crop"], result["resize"] = size, size * base["resize"] // base["crop"]
    if resize:
        result["resize"] = resize
    for key, value in (("mode", mode), ("interpolation", interpolation), ("mean", mean), ("std", std)):
        if value:
            result[key] = value
    check(result)
    if result["mode"] == "crop":
        del result["mode"]
    return result


def check(result):
    """The bounds of preprocess.Spec.Check."""
    for key in ("resize", "crop"):
        if not 1 <= result[key] <= 8192:
            raise Failure(f"{key} {result[key]} must lie in 1–8192")
    if result["interpolation"] not in INTERPOLATIONS:
        raise Failure(f"interpolation {result['interpolation']!r} is neither bilinear nor bicubic: give --interpolation")
    if len(result["mean"]) != 3 or len(result["std"]) != 3 or not all(v > 0 for v in result["std"]):
        raise Failure("mean and std are three numbers each (R, G, B, of values in 0–1), every std above 0")

"""Writes renamed.json.gz: for networks that torchvision and timm both have, the tensors that correspond.

The correspondence is found without any rule of names: tensors of one shape correspond in the order in which the two
packages define them (PAIRS says where the orders differ). It is verified by numbers: torchvision's network with random
weights and timm's with the same ones, copied by it, must give the same logits on the same random images. Pairs that
differ in more than names (an epsilon, a padding) are printed and left out.

    python make_renamed.py  # with torch, torchvision and timm
"""

import gzip
import json
import math
import pathlib

import timm
import torch
import torchvision

# torchvision's name, timm's name, size of the images
PAIRS = [
    ("resnet18", "resnet18", 64),
    ("wide_resnet50_2", "wide_resnet50_2", 64),
    ("resnext50_32x4d", "resnext50_32x4d", 64),
    ("vgg11_bn", "vgg11_bn", 224),
    ("densenet121", "densenet121", 64),
    ("inception_v3", "inception_v3", 299),
    ("vit_b_32", "vit_base_patch32_224", 224),
    ("convnext_tiny", "convnext_tiny", 64),
    ("swin_t", "swin_tiny_patch4_window7_224", 224),
    ("regnet_y_400mf", "regnety_004", 64),
    ("regnet_x_400mf", "regnetx_004_tv", 64),
    ("mobilenet_v2", "mobilenetv2_100", 64),
    ("mobilenet_v3_small", "mobilenetv3_small_100", 64),
    ("mobilenet_v3_small", "tf_mobilenetv3_small_100", 64),
    ("mobilenet_v3_large", "mobilenetv3_large_100", 64),
    ("efficientnet_b0", "efficientnet_b0", 64),
    ("efficientnet_b5", "efficientnet_b5", 64),
    ("efficientnet_v2_s", "efficientnetv2_s", 64),
    ("efficientnet_v2_s", "tf_efficientnetv2_s", 64),
    ("mnasnet1_0", "mnasnet_100", 64),
]
UNUSED = ("num_batches_tracked", "relative_position_index", "attn_mask")


def named(model):
    """Return the tensors that files of weights have, by name, in the order of their definition."""
    return {k: v for k, v in model.state_dict().items() if not k.endswith(UNUSED) and "AuxLogits" not in k
            and not k.startswith("aux")}


def reordered(names):
    """RegNet's projection comes first in torchvision, last in timm."""
    def key(item):
        block, _, rest = item[1].partition(".proj.")
        if rest:
            last = max(i for i, n in enumerate(names) if n.startswith(block + "."))
            return last + 0.5 + item[0] / 1e6
        return item[0]
    return [n for _, n in sorted(enumerate(names), key=key)]


def correspondence(a, b):
    """Pair names of a with names of b: each with the next one of as many values."""
    rest, pairs = list(b), []
    for name in reordered(list(a)):
        shape = [d for d in a[name].shape if d != 1]
        match = next((k for k in rest if [d for d in b[k].shape if d != 1] == shape
                      or a[name].dim() == 2 and b[k].dim() == 4 and b[k].shape[0] == a[name].shape[0]
                      and b[k].numel() == a[name].numel()), None)
        if match is None:
            return None
        rest.remove(match)
        pairs.append((name, match))
    return None if rest else pairs


def enliven(model, images, generator):
    """Give every tensor random values, and the batch normalizations the statistics of the images."""
    for name, t in named(model).items():
        value = torch.randn(t.shape, generator=generator)
        if t.dim() > 1 and not name.endswith("layer_scale"):
            value /= math.sqrt(max(1, math.prod(t.shape[1:])))
        elif name.endswith(("weight", "gamma", "layer_scale")):
            value = 1 + 0.3 * value
        else:
            value *= 0.2
        if not name.endswith(("running_mean", "running_var")):
            t.copy_(value)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.train()
            module.momentum = 1.0
    model(images)
    model.eval()


@torch.no_grad()
def compare(ours, theirs, size):
    """Return the correspondence, or why there is none."""
    kwargs = {"aux_logits": False, "init_weights": False} if ours in ("inception_v3", "googlenet") else {}
    a = getattr(torchvision.models, ours)(weights=None, **kwargs).eval()
    try:
        b = timm.create_model(theirs).eval()
    except RuntimeError as error:
        return str(error)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, size, size, generator=generator) + torch.randn(4, 3, 1, 1, generator=generator)
    enliven(a, images, generator)
    source, target = named(a), named(b)
    pairs = correspondence(source, target)
    if pairs is None:
        return f"the tensors do not pair: {len(source)} and {len(target)}"
    for x, y in pairs:
        target[y].copy_(source[x].reshape(target[y].shape))
    one, two = a(images).double(), b(images).double()
    difference = ((one - two).norm() / one.norm()).item()
    alive = (one.std(dim=0).mean() / one.std()).item()
    print(f"{ours} {theirs}: differs by {difference:.1e}, {alive:.2f} of the spread is between images")
    if not difference < 1e-4:
        return f"the logits differ by {difference:.1e}"
    return [[x, y, list(source[x].shape), list(target[y].shape)] for x, y in pairs]


def main():
    torch.set_num_threads(1)
    found = {}
    for ours, theirs, size in PAIRS:
        result = compare(ours, theirs, size)
        if isinstance(result, str):
            print(f"{ours} {theirs} left out: {result}")
        elif any(x != y for x, y, _, _ in result):
            found[f"{ours} {theirs}"] = result
    path = pathlib.Path(__file__).parent / "renamed.json.gz"
    path.write_bytes(gzip.compress(json.dumps(found, separators=(",", ":")).encode(), mtime=0))
    print(f"{path.name}: {len(found)} pairs, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()

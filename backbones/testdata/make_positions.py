"""Writes positions.json: tables of positions as torch resamples them for photos of another size.

    pip install torch timm
    python backbones/testdata/make_positions.py

"dinov2" is what facebookresearch/dinov2 calls in interpolate_pos_encoding (interpolate_offset 0.1, no antialiasing),
"timm" is timm.layers.resample_abs_pos_embed. The tables are made by a formula that the Go test has too.
"""

import json
import math
import pathlib

import torch
from timm.layers import resample_abs_pos_embed

WIDTH = 3


def table(prefix, side):
    rows = prefix + side * side
    values = [math.sin(0.37 * i * i) + 0.01 * i for i in range(rows * WIDTH)]
    return torch.tensor(values, dtype=torch.float64).float().view(1, rows, WIDTH)


def dinov2(given, prefix, old, side):
    if old == side:  # as there
        return given
    patches = given[:, prefix:].reshape(1, old, old, WIDTH).permute(0, 3, 1, 2)
    scale = (side + 0.1) / math.sqrt(old * old)
    patches = torch.nn.functional.interpolate(patches, mode="bicubic", scale_factor=(scale, scale))
    assert patches.shape[-2:] == (side, side)
    return torch.cat([given[:, :prefix], patches.permute(0, 2, 3, 1).reshape(1, -1, WIDTH)], 1)


def timm(given, prefix, old, side):
    return resample_abs_pos_embed(given, [side, side], [old, old], num_prefix_tokens=prefix)


cases = {}
for name, resample in (("dinov2", dinov2), ("timm", timm)):
    for prefix, old, side in ((1, 37, 16), (1, 16, 14), (0, 7, 12), (1, 5, 5)):
        out = resample(table(prefix, old), prefix, old, side)
        cases[f"{name} {prefix} {old} {side}"] = [float(f"{v:.7g}") for v in out.flatten().tolist()]
path = pathlib.Path(__file__).with_name("positions.json")
path.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in cases.items()) + "\n}\n")

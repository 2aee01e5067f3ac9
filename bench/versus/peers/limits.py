"""Measures what bounds an extraction: the rate of a large matrix product, a network's operations, a photo's decoding.

A network's operations are those of its convolutions and dense layers up to the
features, a multiplication and an addition being two.
"""

import argparse
import json
import statistics
import time

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

import networks
import photos

SIDE = 2048  # of the matrices


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--backbone", required=True)
    p.add_argument("--weights", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--threads", type=int, required=True)
    o = p.parse_args()
    print(json.dumps({
        "flops": flops(o.backbone, o.weights), "gemm_flops_per_second": gemm(o.threads),
        "decode_seconds": decoding(o.data, networks.size(o.backbone)),
    }))  # fmt: skip


def gemm(threads):
    """Operations a second of float32 products by PyTorch's BLAS, the median of ten."""
    torch.set_num_threads(threads)
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    out = torch.empty(SIDE, SIDE)
    times = []
    for _ in range(12):
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        times.append(time.perf_counter() - start)
    return 2 * SIDE**3 / statistics.median(times[2:])


def flops(name, weights):
    model = networks.cut(name, weights)
    side = networks.size(name)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, side, side))
    return counter.get_total_flops()


def decoding(data, side):
    """Seconds a photo on one core of reading, decoding, resizing and cropping by Pillow, the mean over up to 200 photos."""
    fit = transforms.Compose([transforms.Resize(side), transforms.CenterCrop(side)])
    paths = photos.listed(data)
    paths = paths[:: max(1, len(paths) // 200)]
    start = time.perf_counter()
    for path in paths:
        with Image.open(path) as photo:
            fit(photo.convert("RGB"))
    return (time.perf_counter() - start) / len(paths)


if __name__ == "__main__":
    main()

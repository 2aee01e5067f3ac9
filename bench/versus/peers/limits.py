"""Measures what bounds an extraction: the rate of a large matrix product, a network's operations, a photo's decoding;
and PyTorch's forward pass alone, in channels_last.

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
    p.add_argument("--batch-size", type=int, required=True, help="of the forward pass")
    p.add_argument("--threads", type=int, required=True)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    model = networks.cut(o.backbone, o.weights)
    side = networks.size(o.backbone)
    print(json.dumps({
        "flops": flops(model, side), "gemm_flops_per_second": gemm(),
        "decode_seconds": decoding(o.data, side), "forward_seconds": forward(model, side, o.batch_size),
    }))  # fmt: skip


def median_seconds(work):
    """Of ten times, after two that do not count."""
    times = []
    for _ in range(12):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def gemm():
    """Operations a second of float32 products by PyTorch's BLAS."""
    a, b, out = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE), torch.empty(SIDE, SIDE)
    return 2 * SIDE**3 / median_seconds(lambda: torch.mm(a, b, out=out))


def flops(model, side):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, side, side))
    return counter.get_total_flops()


def forward(model, side, batch):
    """Seconds a photo of the network alone, by PyTorch."""
    model = model.to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return median_seconds(lambda: model(images)) / batch


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

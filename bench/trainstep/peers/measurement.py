"""What the peers have in common: their arguments, their clock, and the JSON that they print."""

import argparse
import json
import time


def parser(description):
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--backbone", required=True, help="a network of torchvision.models or timm")
    p.add_argument("--batch-size", type=int, default=8)
    p.add_argument("--classes", type=int, default=2)
    p.add_argument("--crop", type=int, default=0, help="pixels of a photo's side; 0 for the network's own")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--warmup", type=int, default=3)
    p.add_argument("--steps", type=int, default=10)
    return p


def size(options):
    """Pixels of a photo's side."""
    return options.crop or (299 if options.backbone == "inception_v3" else 224)


def run(options, step, versions, note=""):
    """Call step, which returns the loss, and print the measurement."""
    losses, milliseconds = [], []
    for i in range(options.warmup + options.steps):
        start = time.perf_counter()
        losses.append(float(step()))
        if i >= options.warmup:
            milliseconds.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({
        "milliseconds": milliseconds, "losses": losses, "versions": versions, "note": note,
    }))

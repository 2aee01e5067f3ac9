"""Writes networks.json: PyTorch's losses and gradients of the six families, in float64.

    pip install -r scripts/parity/requirements.txt
    go build -o bin/fx . && python finetune/artifacts/testdata/make_networks.py --fx bin/fx [NAME ...]

Each network at its own input size, the weights seed:0, batches of 4 in their
order from formulas.py, dropout on, the tutorial's SGD (learning rate 0.001, momentum
0.9). Nothing is chosen for the sake of the numbers. Kept are

- "smooth": loss and gradients of the network with Softplus in place of
  Relu and average in place of max pooling. Its gradient is as well determined
  as its loss, so it shows any fault of the other rules, however small.
- "plain": the same of the network as it is, and the losses of 20 steps. A Relu
  or max pooling at a tie decides otherwise in float32 than in float64, in
  PyTorch as well, and every gradient below it changes (see
  scripts/parity/decisions.py). So beside them stands how far PyTorch's own float32
  gets from its float64: the worst gradient of batches 0-4, and the losses.

Of each gradient there are the norm and projections on vectors of ±1. The mean
square of a projection's difference estimates the square of the whole difference
(Johnson and Lindenstrauss).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from formulas import labels, mask, photos, signs

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts" / "parity"))
from closeness import vanishing, worst  # noqa: E402
from decisions import patched  # noqa: E402
from training import Training  # noqa: E402

CLASSES, LR, MOMENTUM, STEPS, BATCHES = 1000, 0.001, 0.9, 20, 5
SIZE = {"inception_v3": 299}
FAMILIES = ("squeezenet1_0", "resnet18", "alexnet", "vgg11_bn", "densenet121", "inception_v3")
MASKS = {  # shape and probability of dropout's masks
    "squeezenet1_0": [((4, 512, 13, 13), 0.5)],
    "alexnet": [((4, 9216), 0.5), ((4, 4096), 0.5)],
    "vgg11_bn": [((4, 4096), 0.5)] * 2,
    "inception_v3": [((4, 2048, 1, 1), 0.5)],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to write anew (default: all six)")
    parser.add_argument("--fx", default="bin/fx", help="the program, for the weights")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    path = pathlib.Path(__file__).parent / "networks.json"
    records = json.loads(path.read_text()) if path.exists() else {}
    for name in options.names or FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "weights.safetensors"
            subprocess.run([options.fx, "backbones", "save", "--weights", "seed:0", "--out", file, name, "--quiet"], check=True)
            records[name] = Network(name, load_file(file)).record()
        write(path, records)
        print(name, "written", flush=True)


class Network:
    def __init__(self, name, state):
        self.name, self.state, self.size = name, state, SIZE.get(name, 224)

    def record(self):
        with patched(lambda x, inplace=False: F.softplus(x, threshold=40), average_pool):
            smooth = self.start()
            loss = self.step(smooth, 0)
            smooth = {"loss": loss, "gradients": projections(smooth.gradients(), 2, 7)}
        plain = self.start()
        losses = [self.step(plain, 0)]
        gradients = projections(plain.gradients(), 4, 5)
        losses += [self.step(plain, k) for k in range(1, STEPS)]
        rounded = self.start(torch.float32)
        drift = [abs(self.step(rounded, k) - losses[k]) for k in range(STEPS)]
        own = max(self.rounding(k) for k in range(BATCHES))
        return {"smooth": smooth, "plain": {"losses": losses, "loss_drift": shorter(drift, 2), "gradient_drift": float(f"{own:.2g}"), "gradients": gradients}}

    def start(self, dtype=torch.float64):
        return Training(self.name, CLASSES, self.state, LR, MOMENTUM, dtype, rounded=dtype == torch.float64)

    def step(self, training, batch):
        masks = [mask(shape, drop, k) for k, (shape, drop) in enumerate(MASKS.get(self.name, []))]
        return training.step(photos(batch, self.size), labels(batch, CLASSES), masks)

    def rounding(self, batch):
        """The worst relative difference of a gradient between PyTorch's float32 and float64."""
        gradients = []
        for dtype in (torch.float32, torch.float64):
            training = self.start(dtype)
            self.step(training, batch)
            gradients.append(training.gradients())
        return worst(*gradients, vanishing(gradients[1]))["gradient"][0]


def average_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """F.avg_pool2d with the arguments of F.max_pool2d; padding does not count."""
    return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode, count_include_pad=False)


def projections(gradients, count, digits):
    kept = {}
    for name, g in gradients.items():
        flat = g.numpy().ravel()
        kept[name] = shorter([np.linalg.norm(flat)] + [signs(flat.size, k) @ flat for k in range(count)], digits)
    return kept


def shorter(values, digits):
    return [float(f"{v:.{digits}g}") for v in values]


def write(path, records):
    """One gradient a line."""
    blocks = []
    for name, kinds in sorted(records.items()):
        parts = []
        for kind, r in kinds.items():
            gradients = ",\n   ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in r["gradients"].items())
            rest = json.dumps({k: v for k, v in r.items() if k != "gradients"})
            parts.append(f'  {json.dumps(kind)}: {rest[:-1]}, "gradients": {{\n   {gradients}}}}}')
        blocks.append(f" {json.dumps(name)}: {{\n" + ",\n".join(parts) + "}")
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n")


if __name__ == "__main__":
    main()

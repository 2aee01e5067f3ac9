"""PyTorch's tutorial in feature extraction mode: 15 epochs over the photos, only the classifier learns."""

import argparse
import json
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts" / "parity"))
from tutorial import Protocol, train  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", required=True)
    p.add_argument("--weights", required=True)
    p.add_argument("--epochs", type=int, default=15)
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--threads", type=int, required=True)
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    print(json.dumps(train(o.data, o.weights, o.seed, Protocol(epochs=o.epochs), head_only=True)))


if __name__ == "__main__":
    main()

"""Compares fx's training with PyTorch's: losses, gradients, statistics, curves.

    pip install -r scripts/parity/requirements.txt
    python scripts/parity/gradients.py --fx bin/fx --data hymenoptera_data --scratch out/training --out out/training.md [NAME ...]

For each of the six families at its own input size: batches of 4 real photos in
an order that nobody chose, the weights seed:0, two classes, dropout on with the
same masks in both, and the tutorial's SGD (learning rate 0.001, momentum 0.9). With
FX_WEIGHTS_DIR also the networks whose real weights are there.

1. In float64: the graphs that `fx artifacts generate` writes, evaluated node by
   node, against PyTorch's autograd and SGD on torchvision's module. Nothing is
   left to rounding, so all must agree to 1e-9.
2. In float32, one step on each of several batches: fx's graph on ONNX Runtime
   against PyTorch, and both against PyTorch in float64, the truth. Then again
   with the decisions of Relu and max pooling (decisions.py) made alike.
3. In float32, the loss of 20 steps on 20 batches, likewise.

Each measurement is kept in the scratch folder, in NAME.json, when it is done, and
not made again unless --again says so. Exit code 0 where all holds, 1 where not.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import time

import torch

from families import FAMILIES, Family
from fxrun import FX
from trainingreport import OPERATORS, faults, report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: the six families)")
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--data", required=True, help="folder with train/ and val/")
    parser.add_argument("--scratch", required=True, help="folder for results, and for graphs on the way")
    parser.add_argument("--out", required=True, help="file for the tables, Markdown")
    parser.add_argument("--batches", type=int, default=3, help="batches for single steps in float32")
    parser.add_argument("--steps", type=int, default=20, help="steps of the curves")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch and ONNX Runtime")
    parser.add_argument("--again", action="store_true", help="measure what there are results of too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    results = [measure(*job, options) for job in jobs(options.names)]
    text, wrong = report(results), faults(results)
    out = pathlib.Path(options.out)
    _, heading, section = (out.read_text() if out.exists() else "").partition(OPERATORS)
    out.write_text(f"{text}\n{heading}{section}" if heading else text)
    print(text)
    for fault in wrong:
        print("FAULT: " + fault)
    return 1 if wrong else 0


def jobs(names):
    """Networks and their initial weights."""
    for name in names or FAMILIES:
        yield name, "seed:0"
    folder = pathlib.Path(os.environ.get("FX_WEIGHTS_DIR", "/nonexistent"))
    for file in sorted(folder.glob("*.safetensors")):
        if not names or file.stem in names:
            yield file.stem, str(file)


def measure(name, weights, options):
    """All measurements of one network; those in its file are not repeated."""
    label = name if weights == "seed:0" else f"{name}, real weights"
    path = pathlib.Path(options.scratch) / f"{label.replace(', ', '-').replace(' ', '-')}.json"
    result = {"network": label, "settings": {"steps": options.steps, "batches": options.batches}}
    if path.exists() and not options.again:
        before = json.loads(path.read_text())
        result = before if before["settings"] == result["settings"] else result
    parts = {
        "parameters": lambda family: len(family.artifacts.info["trained"]),
        "exact": lambda family: family.exact(options.steps),
        "free": lambda family: family.free(options.steps),
        "single": lambda family: [family.single(number) for number in range(options.batches)],
        "curves": lambda family: family.curves(options.steps),
    }
    missing = [part for part in parts if part not in result]
    if not missing:
        return result
    graphs = pathlib.Path(options.scratch) / "graphs"
    shutil.rmtree(graphs, ignore_errors=True)
    graphs.mkdir(parents=True)
    family = Family(FX(options.fx), name, weights, pathlib.Path(options.data) / "train", graphs)
    for part in missing:
        start = time.perf_counter()
        result[part] = parts[part](family)
        write(path, result)
        print(f"{label}: {part} in {time.perf_counter() - start:.0f} s", flush=True)
    shutil.rmtree(graphs)  # vgg11_bn's weigh 1 GB
    return result


def write(path, result):
    part = path.with_suffix(".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(part, path)


if __name__ == "__main__":
    sys.exit(main())

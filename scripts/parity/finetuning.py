"""Trains squeezenet1_1 by PyTorch's tutorial, with PyTorch and with fx.

    pip install -r scripts/parity/requirements.txt
    python scripts/parity/finetuning.py --fx bin/fx --data hymenoptera_data \\
        --weights weights/squeezenet1_1.safetensors --scratch out/finetuning --out out/finetuning.md

Both follow the same protocol (tutorial.py), each with several seeds: every
parameter from the pretrained weights, every parameter from scratch, and the
classifier alone (feature extraction). For that PyTorch runs the network over new
random views in every epoch; fx does so once, over each photo's centre and 14
random views, and trains on what it cached (`fx extract`, `fx fit-head`).

A seed decides other random numbers in either, so single runs differ; the means
must not: fx's mean of the best val accuracies must not lie more than 0.01 under
PyTorch's, and from scratch must stay well below pretrained (0.1) in both. The
best of the epochs is a matter of luck; the mean over the last two thirds of them
is less so, and shown beside it.

Each result is kept in the scratch folder as SIDE-START-SEED.json when its run is
done, and is not computed again, unless --again says so or the protocol changed. With
--only one side runs; the table has whatever results there are. Seconds and images/s are those of
the machine as it was: for a comparison nothing else must run.

Exit code 0 where all holds or results are still missing, 1 where not.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import shutil
import statistics
import sys

from fxrun import FX
from markdown import table

SIDES, STARTS = ("PyTorch", "fx"), ("pretrained", "scratch", "feature-extraction")
JUDGED = ("pretrained", "feature-extraction")  # by BELOW; from scratch the spread is too wide
VIEWS = 14  # of each training photo that fx caches, besides its centre
BELOW = 0.01  # fx's mean may lie so much under PyTorch's
APART = 0.1  # from scratch stays at least so far below pretrained


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--data", required=True, help="folder with train/ and val/")
    parser.add_argument("--weights", required=True, help="squeezenet1_1's pretrained weights, safetensors")
    parser.add_argument("--scratch", required=True, help="folder for results and runs")
    parser.add_argument("--out", required=True, help="file for the table, Markdown")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--only", choices=SIDES, help="run this side alone")
    parser.add_argument("--again", action="store_true", help="run what there are results of too")
    options = parser.parse_args()
    runs = Runs(options)
    for start in options.starts:
        for seed in options.seeds:
            for side in [options.only] if options.only else SIDES:
                runs.ensure(side, start, seed)
    text, faults = report(runs.results(), options)
    pathlib.Path(options.out).write_text(text)
    print(text)
    for fault in faults:
        print("FAULT: " + fault)
    return 1 if faults else 0


class Runs:
    """The runs of both sides, and their results on disk."""

    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(options.scratch)
        self.folder.mkdir(parents=True, exist_ok=True)

    def ensure(self, side, start, seed):
        path = self.path(side, start, seed)
        if self.read(path) and not self.options.again:
            return
        result = self.pytorch(start, seed) if side == "PyTorch" else self.fx(start, seed)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(result, indent=1) + "\n")
        os.replace(part, path)
        print(f"{side}, {start}, seed {seed}: best val accuracy {result['best_val_accuracy']:.4f} "
              f"in epoch {result['best_epoch']}, {result['seconds']:.0f} s", flush=True)  # fmt: skip

    def results(self):
        """By side and start, the results of the seeds in their order, with the gaps left out."""
        found = {}
        for side in SIDES:
            for start in self.options.starts:
                read = [self.read(self.path(side, start, seed)) for seed in self.options.seeds]
                found[side, start] = [r for r in read if r]
        return found

    def path(self, side, start, seed):
        return self.folder / f"{side.lower()}-{start}-{seed}.json"

    def read(self, path):
        """The result in a file, None if there is none by this protocol."""
        if not path.exists():
            return None
        result = json.loads(path.read_text())
        return result if len(result["epochs"]) == self.options.epochs else None

    def pytorch(self, start, seed):
        from tutorial import Protocol, train  # torch only where it is needed

        protocol = dataclasses.replace(Protocol(), epochs=self.options.epochs)
        weights = None if start == "scratch" else self.options.weights
        return train(self.options.data, weights, seed, protocol, head_only=start == "feature-extraction")

    def fx(self, start, seed):
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        result = self.extract(run, seed) if start == "feature-extraction" else self.finetune(run, start, seed)
        shutil.rmtree(run)
        return result

    def finetune(self, run, start, seed):
        weights = ["--scratch"] if start == "scratch" else ["--weights", self.options.weights]
        return FX(self.options.fx)(
            "finetune", "--backbone", "squeezenet1_1", "--all-params", *weights, "--data", self.options.data, "--out", run, *self.protocol(seed),
        )  # fmt: skip

    def extract(self, run, seed):
        """From photos to a classifier, nothing cached before."""
        fx, store = FX(self.options.fx), run / "features"
        extracted = fx(
            "extract", "--backbone", "squeezenet1_1", "--weights", self.options.weights, "--data", self.options.data, "--out", store,
            "--views", VIEWS, "--dtype", "float16",
        )  # fmt: skip
        result = fx("fit-head", "--features", store, "--out", run / "model", *self.protocol(seed))
        result["seconds"] += extracted["seconds"]
        result["images_per_second"] = extracted["images_per_second"]
        return result

    def protocol(self, seed):
        return ["--epochs", self.options.epochs, "--batch-size", 8, "--lr", 0.001, "--momentum", 0.9, "--seed", seed]


def report(results, options):
    """The Markdown table, and the failures."""
    rows, means, errors = [], {}, {}
    for start in options.starts:
        for side in SIDES:
            runs = results[side, start]
            if not runs:
                continue
            best = [r["best_val_accuracy"] for r in runs]
            means[side, start] = statistics.mean(best)
            errors[side, start] = statistics.stdev(best) / len(best) ** 0.5 if len(best) > 1 else math.inf
            rows.append([
                start, side, str(len(runs)), " ".join(f"{b:.4f}" for b in best), f"{means[side, start]:.4f}",
                f"{statistics.mean(late(r, 'val_accuracy') for r in runs):.4f}", f"{statistics.mean(late(r, 'val_loss') for r in runs):.3f}",
                f"{statistics.mean(r['seconds'] for r in runs):.0f}",
                f"{statistics.mean(images_per_second(r) for r in runs):.1f}",
            ])  # fmt: skip
    head = ["start", "side", "runs", "best val accuracy, by seed", "mean", "late val accuracy", "late val loss", "seconds a run", "images/s"]
    text = table(head, rows)
    faults = []
    for start in options.starts:
        if ("fx", start) in means and ("PyTorch", start) in means:
            difference = means["fx", start] - means["PyTorch", start]
            error = math.hypot(errors["fx", start], errors["PyTorch", start])
            text += f"\nfx's mean less PyTorch's, {start}: {difference:+.4f}, standard error {error:.4f}.\n"
            if start in JUDGED and difference < -BELOW:
                faults.append(f"{start}: fx's mean lies {-difference:.4f} under PyTorch's, more than {BELOW}")
    for side in SIDES:
        if (side, "scratch") in means and (side, "pretrained") in means:
            apart = means[side, "pretrained"] - means[side, "scratch"]
            text += f"\n{side}: from scratch {apart:.4f} below pretrained.\n"
            if apart < APART:
                faults.append(f"{side}: from scratch is only {apart:.4f} below pretrained")
    return text, faults


def late(result, what):
    """The mean over the last two thirds of the epochs."""
    epochs = result["epochs"]
    return statistics.mean(e[what] for e in epochs[len(epochs) // 3 :])


def images_per_second(result):
    """Of training, over all epochs: photos by seconds. Of an extraction: rows by seconds."""
    if "images_per_second" in result:
        return result["images_per_second"]
    epochs = result["epochs"]
    return len(epochs) / sum(1 / e["train_images_per_second"] for e in epochs)


if __name__ == "__main__":
    sys.exit(main())

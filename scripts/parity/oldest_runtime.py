"""Loads and runs fx's training artifacts in the oldest ONNX Runtime that they support.

    pip install onnxruntime==1.24.* safetensors
    python scripts/parity/oldest_runtime.py --fx bin/fx --scratch out/oldest-runtime

For each of the six families `fx artifacts generate` writes its graphs. Here, with
nothing of fx, the whole step runs once, the split form once (gradients, then
update), the evaluation once, and the step a second time on the same batch. The
two forms must lead to the same loss and the same parameters, and the second
step must find a lower loss.

Exit code 0 where all of it holds, 1 where not.
"""

import argparse
import json
import pathlib
import shutil
import sys

import numpy as np
import onnxruntime as ort
from safetensors.numpy import load, load_file

from fxrun import FX

FAMILIES = ["squeezenet1_0", "resnet18", "alexnet", "vgg11_bn", "densenet121", "inception_v3"]
# Every operator that an optimizer, clipping or averaging can add.
CASES = {name: [] for name in FAMILIES} | {
    "squeezenet1_0 adamw": ["--optimizer", "adamw", "--ema", "0.9", "--clip-grad-norm", "1", "--label-smoothing", "0.1"],
    "resnet18 frozen": ["--nesterov", "--weight-decay", "0.01", "--frozen-bn", "--head-lr-multiplier", "10"],
}
CLASSES, BATCH, RATE = 3, 2, 0.001
TOLERANCE = 1e-4  # relative L2 of a tensor's change: the same float32 sums in another order


class Graph:
    """One of the graphs, with its inputs and outputs from the metadata."""

    def __init__(self, path):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        options.log_severity_level = 3
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map["fx.training"])

    def run(self, state, feeds):
        """Run once and update the state in place. Returns the outputs that are not state."""
        zeros = {s["name"]: np.zeros(s["shape"], np.float32) for s in self.about["state"] if s["kind"] == "gradient"}
        known = zeros | state | feeds
        values = self.session.run(None, {i.name: np.asarray(known[i.name]) for i in self.session.get_inputs()})
        outputs = dict(zip((o.name for o in self.session.get_outputs()), values))
        for slot in self.about["state"]:
            if slot.get("next"):
                state[slot["name"]] = outputs.pop(slot["next"])
        return outputs


def feeds(graph, generator):
    """Photos, labels, and masks that drop what they should."""
    about = graph.about
    values = {
        about["image"]: generator.integers(0, 256, about["image_shape"], np.uint8),
        about["labels"]: generator.integers(0, CLASSES, BATCH),
        "lr": np.array(RATE, np.float32),
        "gradient_scale": np.array(1, np.float32),
    }
    for noise in about.get("noise", []):
        kept = generator.random(noise["shape"]) >= noise["drop"]
        values[noise["name"]] = (kept / (1 - noise["drop"])).astype(np.float32)
    return values


def distance(a, b, start):
    """The distance of a and b, as a share of the step's change."""
    change = np.linalg.norm(b - start)
    return float(np.linalg.norm(a - b) / change) if change else float(np.linalg.norm(a - b))


def check(folder):
    names = ("step_model", "training_model", "optimizer_model", "eval_model")
    step, training, optimizer, evaluation = (Graph(folder / f"{name}.onnx") for name in names)
    start = load_file(folder / "checkpoint" / "model.safetensors")
    start |= load((folder / "checkpoint" / "training.state").read_bytes())
    given = feeds(step, np.random.default_rng(0))
    whole, split = dict(start), dict(start)
    told = step.run(whole, given)
    parts = training.run(split, given)
    optimizer.run(split, given)
    judged = evaluation.run(dict(whole), given)
    again = step.run(dict(whole), given)
    worst, where = max((distance(split[s["name"]], whole[s["name"]], start[s["name"]]), s["name"]) for s in step.about["state"] if s.get("next"))
    faults = []
    if not np.isfinite(told["loss"]) or abs(told["loss"] - parts["loss"]) > 1e-6 * abs(told["loss"]):
        faults.append(f"losses {told['loss']} of the step and {parts['loss']} of the split form")
    if worst > TOLERANCE:
        faults.append(f"{where} differs by {worst:.1e} between the two forms")
    if not again["loss"] < told["loss"]:
        faults.append(f"the loss goes from {told['loss']} to {again['loss']}")
    if not np.isfinite(judged["loss"]) or judged["logits"].shape != (BATCH, CLASSES):
        faults.append(f"the evaluation gives a loss of {judged['loss']} and logits {judged['logits'].shape}")
    print(f"  loss {told['loss']:.6f}, then {again['loss']:.6f}, in evaluation {judged['loss']:.4f}; "
          f"the forms part by {worst:.1e} of a tensor's change", flush=True)  # fmt: skip
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--scratch", required=True, help="folder for what is written on the way")
    parser.add_argument("--only", help="the cases to run, separated by commas")
    options = parser.parse_args()
    fx, faults = FX(options.fx), 0
    print(f"ONNX Runtime {ort.__version__}")
    for name in options.only.split(",") if options.only else CASES:
        folder = pathlib.Path(options.scratch) / name.replace(" ", "-")
        shutil.rmtree(folder, ignore_errors=True)
        fx("artifacts", "generate", "--backbone", name.split()[0], "--weights", "seed:0", "--classes", CLASSES,
           "--batch-size", BATCH, "--out", folder, *CASES[name])  # fmt: skip
        print(name, flush=True)
        for fault in check(folder):
            print(f"  FAULT: {fault}")
            faults += 1
        shutil.rmtree(folder)  # half a gigabyte for some
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

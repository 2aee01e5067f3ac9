"""Finetunes networks with fx, and opens the results with other tools.

    pip install -r scripts/parity/requirements.txt -r scripts/export_onnx/requirements.txt
    python scripts/parity/runs.py --fx bin/fx --data hymenoptera_data --scratch out/runs

Of a few photos of each class it makes a data set. Then, for the six families
from scratch, and for networks of torchvision and timm as ONNX files of
scripts/export_onnx with seeded weights:

- for a file, three SGD steps and all gradients are compared with PyTorch's, in float32 and float64;
- fx finetune trains all parameters for two epochs, once in peace, and once killed
  (kill -9) in its middle and resumed: the same bytes;
- checkpoint/best loads in torch with load_state_dict(strict=True), and its
  probabilities are those of fx predict;
- fx eval finds the accuracy that training told;
- the exported classifier runs in plain ONNX Runtime and gives fx's classes; how
  many BatchNormalization nodes it has is printed.

Exit code 0 where all of it holds, 1 where not.
"""

import argparse
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
import timm
import torch
import torchvision
from PIL import Image
from safetensors.numpy import load_file

import filestep
from fxrun import FX
from reference import Preprocess

FAMILIES = ["squeezenet1_0", "resnet18", "alexnet", "vgg11_bn", "densenet121", "inception_v3"]
FILES = {
    "torchvision": ["mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny"],
    "timm": ["mobilenetv3_small_100", "efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224"],
}
EXPORTER = pathlib.Path(__file__).parent.parent / "export_onnx" / "export.py"

# Allowed relative distances from PyTorch's float64; more where PyTorch's own
# float32 is about as far off, since batch statistics of nearly equal
# features, and ReLUs at zero, make much of rounding.
ALLOWED = {"first loss": 1e-5, "losses": 1e-3, "gradient": 1e-3}
ROUNDING = 3
PROBABILITY = 1e-3  # as a share of how far the photos' probabilities lie apart
RESOLUTION = 2.5e-7  # four steps of float32 near 1/2: some networks from scratch find all photos alike


class Network:
    """A network to train, and the same as a torch module."""

    def __init__(self, origin, name, scratch):
        self.label, self.origin, self.name = f"{origin} {name}", origin, name
        if origin == "fx":
            self.flags = ["--backbone", name, "--scratch"]
            self.preprocess = Preprocess(299, 299) if name == "inception_v3" else Preprocess(224, 224)
            return
        self.file = scratch / f"{origin}-{name}.onnx"
        done = subprocess.run([sys.executable, EXPORTER, "model", f"--{origin}", name, "--classes", "10", "--out", self.file], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        self.preprocess = Preprocess.of({p.key: p.value for p in onnx.load(self.file).metadata_props}["fx.preprocess"])
        self.flags = ["--backbone", str(self.file)]

    def module(self, classes):
        if self.origin == "timm":
            return timm.create_model(self.name, num_classes=classes)
        special = {"aux_logits": True, "transform_input": True, "init_weights": False} if self.name == "inception_v3" else {}
        return torchvision.models.get_model(self.name, weights=None, num_classes=classes, **special)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--data", required=True, help="folder with train/ and val/")
    parser.add_argument("--scratch", required=True, help="folder for what is written on the way")
    parser.add_argument("--train", type=int, default=12, help="training photos of each class")
    parser.add_argument("--val", type=int, default=6, help="val photos of each class")
    parser.add_argument("--only", help="the networks to take, separated by commas: resnet18, timm/convnext_atto …")
    options = parser.parse_args()
    fx, scratch = FX(options.fx), pathlib.Path(options.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    data = few(pathlib.Path(options.data), scratch / "photos", {"train": options.train, "val": options.val})
    wanted = [("fx", name) for name in FAMILIES] + [(origin, name) for origin, names in FILES.items() for name in names]
    if options.only:
        chosen = options.only.split(",")
        wanted = [w for w in wanted if w[1] in chosen or "/".join(w) in chosen]
    faults = 0
    for origin, name in wanted:
        network = Network(origin, name, scratch)
        print(network.label, flush=True)
        for fault in check(fx, network, data, scratch):
            print(f"  FAULT: {fault}", flush=True)
            faults += 1
    return 1 if faults else 0


def few(source, target, counts):
    """A data set of the first photos of each class."""
    shutil.rmtree(target, ignore_errors=True)
    for split, count in counts.items():
        for folder in sorted(p for p in (source / split).iterdir() if p.is_dir()):
            (target / split / folder.name).mkdir(parents=True)
            for photo in sorted(folder.iterdir())[:count]:
                shutil.copy(photo, target / split / folder.name)
    return target


def check(fx, network, data, scratch):
    """Yields the failures."""
    if network.origin != "fx":
        pairs, whose = filestep.compare(fx, network.file, network.module(10), network.preprocess, scratch)
        told = "; ".join(f"{what} {ours:.1e} ({theirs:.1e})" for what, (ours, theirs) in pairs.items())
        print(f"  off PyTorch's float64 (PyTorch's float32 is): {told}; worst {whose}", flush=True)
        for what, (ours, theirs) in pairs.items():
            if ours > max(ALLOWED[what], ROUNDING * theirs):
                yield f"the {what} is not PyTorch's"
    run, killed = scratch / "run", scratch / "killed"
    flags = ["--data", data, "--all-params", "--epochs", 2, "--lr", 0.01, "--device", "cpu", "--checkpoint-steps", 1, *network.flags]
    for folder in (run, killed):
        shutil.rmtree(folder, ignore_errors=True)
    began = time.time()
    result = fx("finetune", *flags, "--out", run)
    seconds = time.time() - began
    at = kill(fx, [*flags, "--out", killed, "--resume"], killed)
    fx("finetune", *flags, "--out", killed, "--resume")
    for name in ("last/model.safetensors", "last/training.state", "best/model.safetensors"):
        if (run / "checkpoint" / name).read_bytes() != (killed / "checkpoint" / name).read_bytes():
            yield f"{name} differs after kill -9 {at}"
    if left := [str(p) for p in killed.rglob("*fx-tmp*")]:
        yield f"left behind: {left}"

    state = load_file(run / "checkpoint" / "best" / "model.safetensors")
    model, classes = network.module(2), result["classes"]
    kept = filestep.strict(model, state)
    model.eval()
    paths = sorted(str(p) for p in data.glob("val/*/*"))
    pixels = np.stack([network.preprocess.pixels(p) for p in paths])
    with torch.no_grad():
        theirs = torch.softmax(model(network.preprocess.tensor(pixels)), 1).numpy()
    said = {entry["path"]: {c["class"]: c["probability"] for c in entry["top"]} for entry in fx("predict", "--model", run, "--top", 2, *paths)}
    ours = np.array([[said[p][c] for c in classes] for p in paths])
    accuracy = fx("eval", "--model", run, "--data", data)["accuracy"]
    fx("export", "--model", run, "--out", scratch / "classifier.onnx")
    exported = ort.InferenceSession(str(scratch / "classifier.onnx"), providers=["CPUExecutionProvider"]).run(["probabilities"], {"images": pixels})[0]
    norms = sum(n.op_type == "BatchNormalization" for n in onnx.load(scratch / "classifier.onnx").graph.node)
    told = f", but for {len(kept)} buffers" if kept else ""
    apart = np.ptp(theirs[:, 0])
    torchs, exports = np.abs(ours - theirs).max(), np.abs(exported - ours).max()
    print(f"  {seconds:.0f} s; killed {at}: the same bytes; loads strictly in torch{told}; photos' probabilities lie {apart:.1e} apart and differ by "
          f"{torchs:.1e} from torch's, by {exports:.1e} exported with {norms} BatchNormalization; accuracy {accuracy:.3f}", flush=True)  # fmt: skip
    if not max(torchs, exports) <= max(PROBABILITY * apart, RESOLUTION):
        yield "probabilities differ"
    if accuracy != result["best_val_accuracy"]:
        yield f"accuracy {accuracy} in eval, {result['best_val_accuracy']} in training"
    if norms and network.name != "densenet121":
        yield f"{norms} BatchNormalization nodes in the exported classifier"


def kill(fx, flags, run):
    """Start a training and kill it after the third step that it saved. Returns the number of saved steps, as text."""
    process = subprocess.Popen([fx.binary, "finetune", *map(str, flags), "--quiet", "--json"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    state, seen = run / "checkpoint" / "last" / "state.json", set()
    while process.poll() is None and len(seen) < 3:
        try:
            seen.add(state.read_text())
        except (FileNotFoundError, NotADirectoryError):
            pass
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    if process.returncode != -signal.SIGKILL:
        sys.exit(f"the run to be killed ended with {process.returncode}")
    return f"after {len(seen)} saved steps"


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(2)
    sys.exit(main())

"""Runs an exported classifier in Python's ONNX Runtime and compares it with fx.

    pip install -r scripts/parity/requirements.txt
    FX_WEIGHTS_DIR=weights python scripts/parity/classifier.py --fx bin/fx --data hymenoptera_data --scratch out/classifier

Extracts, fits a head, and exports it twice, as `fx export` writes it and with
--with-preprocessing. Then each photo of the split goes through both files with
no help from fx: the first is fed what Pillow and torchvision make of the photo
by the preprocessing in the file's metadata, the second the photo as Pillow
decodes it. Class and probabilities must be those of `fx predict`.

Exit code 0 where they are, 1 where not.
"""

import argparse
import json
import pathlib
import shutil
import sys

import numpy as np
import onnxruntime as ort
from PIL import Image

from fxrun import FX, photos
from reference import Preprocess

TOLERANCE = 1e-4  # of a probability


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--data", required=True, help="folder with train/ and val/")
    parser.add_argument("--split", default="val")
    parser.add_argument("--scratch", required=True, help="folder for what is written on the way")
    parser.add_argument("--backbone", default="squeezenet1_1", help="a registered name, or an ONNX file")
    parser.add_argument("--weights", help="as for fx extract (default: where fx finds them)")
    options = parser.parse_args()
    fx, scratch = FX(options.fx), pathlib.Path(options.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    store, model = scratch / "store", scratch / "model"
    shutil.rmtree(model, ignore_errors=True)
    fx.extract(options.backbone, options.data, store, options.weights)
    fitted = fx("fit-head", "--features", store, "--out", model)
    print(f"{options.backbone}: head fitted, best val accuracy {fitted['best_val_accuracy']:.4f}")

    relative = photos(options.data, options.split)
    paths = [pathlib.Path(options.data) / p for p in relative]
    said = predictions(fx, model, paths)
    faults = 0
    for flags in ([], ["--with-preprocessing"]):
        file = scratch / f"classifier{'-image' if flags else ''}.onnx"
        fx("export", "--model", model, "--out", file, *flags)
        faults += compare(file, paths, relative, said)
    return 1 if faults else 0


def predictions(fx, model, paths):
    """fx's probability of each class, by path."""
    known = {str(p.resolve()): str(p) for p in paths}
    said = {}
    for entry in fx("predict", "--model", model, "--top", 1000, *paths):
        if "error" in entry:
            sys.exit(f"fx predict refuses {entry['path']}: {entry['error']}")
        path = known[str(pathlib.Path(entry["path"]).resolve())]
        said[path] = {choice["class"]: choice["probability"] for choice in entry["top"]}
    if len(said) != len(paths):
        sys.exit(f"fx predict answered for {len(said)} of {len(paths)} photos")
    return said


def compare(file, paths, relative, said):
    session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    classes = json.loads(metadata["fx.classes"])
    spec = Preprocess.of(metadata["fx.preprocess"])
    [given] = session.get_inputs()
    worst, wrong, right = 0.0, [], 0
    for path, name in zip(paths, relative):
        if given.name == "images":
            feed = spec.pixels(path)[None]
        else:
            with Image.open(path) as photo:
                feed = np.asarray(photo.convert("RGB"))
        logits, probabilities = session.run(["logits", "probabilities"], {given.name: feed})
        theirs = said[str(path)]
        ours = dict(zip(classes, probabilities[0].tolist()))
        assert np.argmax(logits[0]) == np.argmax(probabilities[0]) and abs(sum(ours.values()) - 1) < 1e-5
        worst = max(worst, *(abs(ours[c] - theirs[c]) for c in classes))
        best = max(ours, key=ours.get)
        if best != max(theirs, key=theirs.get):
            wrong.append(name)
        right += best == pathlib.PurePosixPath(name).parts[1]
    print(f"{file.name}: input {given.name} {given.type} {given.shape}; {len(paths)} photos, {len(wrong)} classes differ from "
          f"fx predict, probabilities by {worst:.1e} at most; accuracy {right / len(paths):.4f}")  # fmt: skip
    for name in wrong:
        print(f"  differs: {name}")
    return len(wrong) + (worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())

"""Writes goldens.json: what torch and torchvision make of fx's seed:0 weights.

    go test ./backbones -run TestWriteModels -write-models /tmp/models
    pip install torch torchvision safetensors efficientnet_lite_pytorch onnxruntime
    FX_WEIGHTS_DIR=... python backbones/testdata/make_goldens.py /tmp/models [NAME ...]

For each network the weights that fx wrote are loaded with none missing and none
too many, so that their names are proved to be its package's, and two images made
by a formula run through it in evaluation mode. Kept are, for each image, the norm of the features
and 32 projections of them on vectors of ±1: the mean square of the differences
of the projections estimates the square of the features' distance (Johnson and
Lindenstrauss), so a few numbers tell whether whole maps agree.

Where fx's models (NAME.features.onnx, NAME.onnx) lie beside the weights and
onnxruntime is installed, whole features and logits are compared as well, and
their relative L2 distance is printed.

"squeezenet1_1 official" is the same for torchvision's own weights, where
FX_WEIGHTS_DIR holds squeezenet1_1.safetensors. "state" is the hash of names and
shapes of torchvision's state_dict. "pixels" holds hashes of what torchvision's
Resize and CenterCrop make of the first image's formula, at several sizes.
"""

import hashlib
import json
import os
import pathlib
import sys

import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision import transforms

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
sys.path[:0] = [str(SCRIPTS / "export_onnx"), str(SCRIPTS / "parity")]
import graph  # noqa: E402
import networks  # noqa: E402
import registry  # noqa: E402
from reference import features_of, load  # noqa: E402

PROJECTIONS = 32


def images(height, width):
    """Two images, uint8 [2, height, width, 3]; the Go test makes the same ones."""
    n, y, x, c = np.ogrid[0:2, 0:height, 0:width, 0:3]
    return ((x * x // (16 + 8 * n) + 3 * y * (c + 1) + x * y // 32 + 97 * n) % 256).astype(np.uint8)


def signs(count):
    """±1 [PROJECTIONS, count] from an integer hash that Go computes too."""
    mask = np.uint64(0xFFFFFFFF)
    i = np.arange(count, dtype=np.uint64)[None, :]
    k = np.arange(PROJECTIONS, dtype=np.uint64)[:, None]
    h = (i * np.uint64(0x9E3779B1) + k * np.uint64(0x85EBCA77)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x2C1B3C6D)) & mask
    h ^= h >> np.uint64(12)
    h = (h * np.uint64(0x297A2D39)) & mask
    h ^= h >> np.uint64(15)
    return 1.0 - 2.0 * (h & np.uint64(1)).astype(np.float64)


def run(name, weights, pixels):
    """Features and logits of torch, float32, for uint8 images [n, h, w, 3]."""
    row = registry.row(name)
    model = networks.original(row)
    if row.get("ignored"):
        print(f"{name}: loaded without {row['ignored']}")
    load(model, weights)
    model.eval()
    spec = row["weights"][0]["preprocess"]
    mean, std = (torch.tensor(spec[key]).view(3, 1, 1) for key in ("mean", "std"))
    batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255 - mean) / std
    features, logits = features_of(row, model, batch)
    return features.numpy(), logits.numpy(), batch.numpy()


def distance(got, want):
    got, want = (a.reshape(len(a), -1).astype(np.float64) for a in (got, want))
    return (np.linalg.norm(got - want, axis=1) / np.linalg.norm(want, axis=1)).max()


def compare(folder, name, pixels, features, logits, batch):
    import onnxruntime as ort

    session = ort.InferenceSession(str(folder / f"{name}.features.onnx"), providers=["CPUExecutionProvider"])
    ours = session.run(["features"], {"images": pixels})[0]
    alone = np.concatenate([session.run(["features"], {"images": pixels[i : i + 1]})[0] for i in range(len(pixels))])
    print(f"{name}: features {distance(ours, features):.2e}, one by one {distance(alone, features):.2e}", end="")
    if (folder / f"{name}.onnx").exists() and "head" in registry.row(name):
        session = ort.InferenceSession(str(folder / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        print(f", logits {distance(session.run(['logits'], {'input': batch})[0], logits):.2e}", end="")
    print(flush=True)


def golden(features):
    flat = features.reshape(len(features), -1).astype(np.float64)
    return {
        "shape": list(features.shape[1:]),
        "norms": [float(f"{v:.9g}") for v in np.linalg.norm(flat, axis=1)],
        "projections": [[float(f"{v:.9g}") for v in row] for row in flat @ signs(flat.shape[1]).T],
    }


def state_hash(name):
    """SHA-256 of the sorted lines "NAME DIM,DIM..." of the state_dict, without buffers that are always the same."""
    model = networks.original(registry.row(name))
    constant = {n for n in graph.constants(model) if not n.endswith("num_batches_tracked")}
    lines = sorted(f"{n} {','.join(map(str, t.shape))}\n" for n, t in model.state_dict().items() if n not in constant)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pixels():
    """Hashes of prepared photos, by "FILTER RESIZE CROP HEIGHTxWIDTH", after "squash" if both sides are resized."""
    hashes = {}
    specs = (("bilinear", 224, 224), ("bilinear", 256, 224), ("bilinear", 150, 225), ("bicubic", 256, 224))
    squashed = (("bilinear", 256, 256), ("bicubic", 256, 224), ("bicubic", 384, 384), ("bilinear", 150, 225))
    sizes = ((375, 500), (500, 333), (224, 224), (225, 300), (1000, 777), (40, 97), (1, 1), (3, 200), (900, 300), (300, 900))
    for prefix, (kind, resize, crop) in [("", s) for s in specs] + [("squash ", s) for s in squashed]:
        size = (resize, resize) if prefix else resize
        prepare = transforms.Compose([transforms.Resize(size, transforms.InterpolationMode(kind)), transforms.CenterCrop(crop)])
        for height, width in sizes:
            prepared = np.asarray(prepare(Image.fromarray(images(height, width)[0])))
            hashes[f"{prefix}{kind} {resize} {crop} {height}x{width}"] = hashlib.sha256(prepared.tobytes()).hexdigest()
    return hashes


def main(folder, *names):
    folder, target = pathlib.Path(folder), pathlib.Path(__file__).with_name("goldens.json")
    goldens = json.loads(target.read_text()) if target.exists() else {}
    torch.set_num_threads(2)
    for name in names or [row["name"] for row in registry.read()["networks"]]:
        row = registry.row(name)
        size = networks.size(row)
        features, logits, batch = run(name, folder / f"{name}.safetensors", images(size, size))
        goldens[name] = golden(features) | {"state": state_hash(name)}
        target.write_text(json.dumps(goldens, indent=1, sort_keys=True) + "\n")
        if (folder / f"{name}.features.onnx").exists():
            compare(folder, name, images(size, size), features, logits, batch)
    official = pathlib.Path(os.environ.get("FX_WEIGHTS_DIR", ".")) / "squeezenet1_1.safetensors"
    if official.exists():
        goldens["squeezenet1_1 official"] = golden(run("squeezenet1_1", official, images(224, 224))[0])
    goldens["pixels"] = pixels()
    target.write_text(json.dumps(goldens, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

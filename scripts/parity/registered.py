"""Compares every registered network with its own package, and writes docs/networks.md.

    pip install -r scripts/parity/requirements.txt -r scripts/export_onnx/requirements.txt
    python scripts/parity/registered.py --fx bin/fx --data hymenoptera_data --scratch out/networks --out docs/networks.md [NAME ...]

The reference is torchvision's or timm's module with the same weights, and that package's own evaluation transform.
Weights are seed:0 made lively (reference.enliven). For each network:

- export: the skeleton's inference form gives the module's logits, or features, by ONNX Runtime;
- pixels: the values of the photos that differ from the package's transform, which must be none;
- features: the largest relative L2 of a photo's features, at most 1e-4, or, where PyTorch's own float32 is about as far
  from float64, at most 1.5 times as far from float64 as PyTorch's;
- answers: the largest difference of a probability that the exported classifier gives, at most 1e-4;
- finetune: `fx finetune --all-params` takes a step and its MODEL evaluates;
- speed: photos/s from files to features, fx's over torch's (channels_last, inference_mode), both with all cores.

What was measured is kept in the scratch folder by the network's graph and row; a second run goes on with the others.
--columns leaves some out, for another run to add; --page only writes the page. Exit code 0 where all holds, 1 where not.
"""

import argparse
import copy
import hashlib
import itertools
import json
import os
import pathlib
import platform
import shutil
import sys
import time

import numpy as np
import onnx
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file, save_file

import reference
from fxrun import FX, photos, read_store
from markdown import table

sys.path.append(str(pathlib.Path(__file__).parent.parent / "export_onnx"))
import networks  # noqa: E402
import registry  # noqa: E402
import skeletons  # noqa: E402

GRAPHS = pathlib.Path(__file__).parents[2] / "backbones" / "graphs"
TOLERANCE = 1e-4
SECONDS = 5  # of a measurement of speed, about, with at least 48 photos
FIRST = 16  # photos that are not measured: the first batches of fx
COLUMNS = ("features", "speed", "finetune")  # features: with export, pixels and answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all)")
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--data", required=True, help="folder with train/ and val/")
    parser.add_argument("--scratch", required=True, help="folder for results and what is written on the way")
    parser.add_argument("--out", help="the page to write")
    parser.add_argument("--photos", type=int, default=16, help="photos of each network")
    parser.add_argument("--columns", nargs="*", choices=COLUMNS, default=COLUMNS, help="what to measure (default: all)")
    parser.add_argument("--again", action="store_true", help="measure what was measured, too")
    parser.add_argument("--page", action="store_true", help="write the page from what was measured")
    options = parser.parse_args()
    rows = {row["name"]: row for row in registry.read()["networks"]}
    unknown = set(options.names) - set(rows)
    if unknown:
        parser.error(f"no network {', '.join(sorted(unknown))}")
    scratch = pathlib.Path(options.scratch)
    scratch.mkdir(parents=True, exist_ok=True)
    compare = Comparison(options, scratch)
    for name in [] if options.page else options.names or rows:
        compare.network(rows[name])
        if options.out:
            write(options.out, rows, scratch)
    if options.out:
        write(options.out, rows, scratch)
    faults = [f"{name}: {fault}" for name in options.names or rows for fault in faults_of(result(scratch, rows[name]))]
    for fault in faults:
        print("FAULT: " + fault)
    return 1 if faults else 0


def identity(row):
    """What a result depends on: the graph and what the row says of it and the default weights."""
    data = json.dumps({k: v for k, v in row.items() if k != "weights"} | {"weights": row["weights"][0]}, sort_keys=True)
    return hashlib.sha256(data.encode() + skeletons.read(GRAPHS / f"{row['name']}.onnx.gz")).hexdigest()


def result(scratch, row):
    """The kept result of a network, {} where it has none or is another network by now."""
    try:
        kept = json.loads((scratch / f"{row['name']}.json").read_text())
    except FileNotFoundError:
        return {}
    return kept if kept["identity"] == identity(row) else {}


def faults_of(kept):
    if not kept:
        return []
    bounds = {"features": TOLERANCE, "pixels": 0, "export": TOLERANCE, "answers": TOLERANCE}
    faults = [f"{key} {kept[key]}" for key, bound in bounds.items() if key in kept and not kept[key] <= bound]
    ours, torchs = kept.get("from_float64", (1, 0))
    if ours <= 1.5 * torchs:  # rounding alone: both are as far from the truth
        faults = [fault for fault in faults if not fault.startswith(("features", "export"))]
    return faults + ([kept["error"]] if "error" in kept else [])


class Comparison:
    def __init__(self, options, scratch):
        self.fx, self.options, self.scratch = FX(options.fx), options, scratch
        found = photos(options.data, "val")
        self.all = sorted(found + photos(options.data, "train"))
        self.paths = found[:: max(1, len(found) // options.photos)][: options.photos]
        self.tree, self.few, self.timed = scratch / "photos", scratch / "few", scratch / "timed"
        for tree, paths in ((self.tree, self.paths), (self.few, self.paths[::4])):
            for path, split in itertools.product(paths, ("train", "val")):
                self.link(tree / split / pathlib.PurePosixPath(path).relative_to("val"), path)

    def many(self, count):
        """A folder with that many photos, for measuring speed."""
        folder = self.timed / str(count)
        for i in range(count):
            path = self.all[i * len(self.all) // count]
            self.link(folder / path, path)
        return folder

    def link(self, link, path):
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to((pathlib.Path(self.options.data) / path).resolve())

    def network(self, row):
        name = row["name"]
        kept = result(self.scratch, row)
        columns = [column for column in self.options.columns if self.options.again or column not in kept]
        if not columns:
            return
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        kept = {key: value for key, value in kept.items() if key != "error"} | {"identity": identity(row)}
        try:
            model, pixels = self.lively(row, folder)
            for column in columns:
                getattr(self, "measure_" + column)(row, folder, kept, model, pixels)
        except (Exception, SystemExit) as error:
            kept["error"] = " ".join(str(error).split())[:400]
        shutil.rmtree(folder)
        print(name, {k: v for k, v in kept.items() if k != "identity"}, flush=True)
        (self.scratch / f"{name}.json").write_text(json.dumps(kept))

    def lively(self, row, folder):
        """The module with lively weights, which folder/lively.safetensors has too, and the photos' pixels by the row."""
        model, spec = networks.original(row).eval(), spec_of(row)
        pixels = np.stack([spec.pixels(self.tree / p) for p in self.paths])
        seeded = folder / "seeded.safetensors"
        self.fx("backbones", "save", "--weights", "seed:0", "--out", seeded, row["name"])
        reference.load(model, seeded)
        seeded.unlink()
        save_file(reference.enliven(model, spec, pixels[::2]).state_dict(), folder / "lively.safetensors")
        return model, pixels

    def measure_features(self, row, folder, kept, model, pixels):
        name, spec, transform, lively = row["name"], spec_of(row), official(row), folder / "lively.safetensors"
        tensors = torch.stack([transform(Image.open(self.tree / p).convert("RGB")) for p in self.paths])
        # Pixels of the row; fx's own are compared with Pillow's by compare.py.
        kept["pixels"] = int((((tensors - spec.tensor(pixels)).abs() > 1e-4)).sum())
        with torch.inference_mode():
            want, output = reference.features_of(row, model, tensors)
        kept["export"] = relative(self.exported(name, lively, tensors), output.numpy())
        store = folder / "store"
        self.fx.extract(name, self.tree, store, lively)
        paths, got = read_store(store, "val")
        assert paths == self.paths, "fx took other photos"
        want = want.flatten(1).numpy()
        kept["apart"] = reference.spread(want)
        kept["answers"] = self.answers(store, folder, pixels, want)
        kept["features"] = float(reference.distances(got, want).max())
        if max(kept["features"], kept["export"]) > TOLERANCE:
            exact, _ = reference.features_of(row, copy.deepcopy(model).double(), tensors.double())
            exact = exact.flatten(1).numpy()
            kept["from_float64"] = [float(reference.distances(each, exact).max()) for each in (got, want)]

    def measure_speed(self, row, folder, kept, model, _):
        kept["machine"] = machine()
        kept["speed"] = self.speed(row["name"], model, official(row), folder / "lively.safetensors", folder)

    def exported(self, name, weights, tensors):
        """What ONNX Runtime makes of the whole network as `fx backbones save` writes it."""
        import onnxruntime

        path = weights.with_name("whole.onnx")
        self.fx("backbones", "save", "--weights", weights, "--out", path, name)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        if not registry.has_head(registry.row(name)):
            return None  # its output is a head that fx gave it
        return session.run(["logits"], {"input": tensors.numpy()})[0]

    def answers(self, store, folder, pixels, features):
        """The exported classifier beside softmax(features of torch @ head)."""
        import onnxruntime

        model, path = folder / "model", folder / "classifier.onnx"
        rate = 1 / float(np.square(features).sum(1).mean())  # lively features are of any size
        self.fx("fit-head", "--features", store, "--out", model, "--epochs", 2, "--lr", f"{rate:.1e}")
        self.fx("export", "--model", model, "--out", path)
        head = load_file(model / "head.safetensors")
        weight, bias = (next(t for n, t in head.items() if n.endswith(e)) for e in ("weight", "bias"))
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        [got] = session.run(["probabilities"], {"images": pixels})
        x = torch.from_numpy(features)
        if weight.dim() == 4:  # SqueezeNet's: convolution, ReLU, mean over the positions
            maps = x.view(len(x), weight.shape[1], -1)
            logits = torch.relu(torch.einsum("oc,ncp->nop", weight[:, :, 0, 0], maps) + bias[:, None]).mean(2)
        else:
            logits = x @ weight.T + bias
        return float(np.abs(got - torch.softmax(logits, 1).numpy()).max())

    def speed(self, name, model, transform, weights, folder):
        """fx's photos/s over torch's, from files, without the opening of the network."""
        threads = torch.get_num_threads()
        torch.set_num_threads(os.cpu_count())
        fast = model.to(memory_format=torch.channels_last)

        def torchs(files):
            start = time.perf_counter()
            with torch.inference_mode():
                for i in range(0, len(files), 8):
                    batch = torch.stack([transform(Image.open(f).convert("RGB")) for f in files[i : i + 8]])
                    fast(batch.contiguous(memory_format=torch.channels_last))
            return len(files) / (time.perf_counter() - start)

        def seconds(tree):
            document = self.fx.extract(name, tree, folder / "timed", weights)
            return document["seconds"] - document["load_seconds"]

        def ours(tree):  # without the first batches, which also prepare, as torch's first does
            return (len(files) - FIRST) / (seconds(tree) - seconds(self.many(FIRST)))

        (folder / "timed").mkdir()
        first = sorted(self.many(FIRST).rglob("*.jpg"))
        torchs(first[:8])  # prepares
        count = int(torchs(first) * SECONDS) // 64 * 64  # whole batches of both
        tree = self.many(min(max(count, 48), 384))
        files = sorted(tree.rglob("*.jpg"))
        mine, theirs = ours(tree), torchs(files)
        if mine < 1.3 * theirs:  # close: a second turn of each
            mine, theirs = max(mine, ours(tree)), max(theirs, torchs(files))
        torch.set_num_threads(threads)
        return mine / theirs

    def measure_finetune(self, row, folder, kept, *_):
        run = folder / "run"
        self.fx("finetune", "--all-params", "--backbone", row["name"], "--weights", folder / "lively.safetensors", "--data",
                self.few, "--out", run, "--epochs", 1, "--batch-size", 4, "--lr", 1e-6)  # fmt: skip
        self.fx("eval", "--model", run, "--data", self.few)
        kept["finetune"] = "yes"


def machine():
    """The processor's name and the number of its cores."""
    try:
        names = [line.partition(":")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    except OSError:
        names = []
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()}"


def spec_of(row):
    return reference.Preprocess.of(json.dumps(row["weights"][0]["preprocess"]))


def official(row):
    """The evaluation transform of the package, to a normalised tensor."""
    first, name = row["weights"][0], row["source"].partition(":")[2]
    if first["tag"] == "" or "timm" not in row["source"] and "torchvision" not in first:
        return spec_of(row).transform()  # the tutorial's, or TensorFlow's: typed in reference.py's own words
    if "torchvision" in first:
        return torchvision.models.get_model_weights(name)[first["torchvision"]].transforms()
    if row["family"] in ("DINOv2", "DINOv3"):
        return spec_of(row).transform()  # their authors', which timm does not have
    from timm.data import create_transform, resolve_data_config
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(first["hub"].partition("/")[2])
    return create_transform(**resolve_data_config({}, pretrained_cfg=config.to_dict()), is_training=False)


def relative(got, want):
    return 0.0 if got is None else float(reference.distances(got, want).max())


HEAD = """# Registered networks beside their own packages

Written by `task parity -- --all` (scripts/parity/registered.py says what each column is). Weights: seed:0 made lively with
photos, not trained; the accuracy is what the weights' authors published. Differences: relative L2 of a photo, or of a
probability; fx keeps to 1e-4. "gradients by" is the network in [parity-training.md](parity-training.md) that has all its
operators, but for those that only move values. Photos/s: fx's rate over PyTorch's (channels_last, inference_mode, all cores), from
files to features. "–" was not measured.

"""


# Rows whose training parity-training.md compares with PyTorch's in float64: themselves, or a smaller one of their kind.
TRAINED = {
    "resnet18": "resnet18", "alexnet": "alexnet", "vgg11_bn": "vgg11_bn", "squeezenet1_0": "squeezenet1_0",
    "densenet121": "densenet121", "inception_v3": "inception_v3", "mobilenet_v3_small": "mobilenet_v3_small",
    "shufflenet_v2_x0_5": "shufflenet_v2_x0_5", "efficientnet_b0": "efficientnet_b0", "convnext_tiny": "convnext_tiny",
    "swin_t": "swin_t", "swin_v2_t": "swin_v2_t", "maxvit_t": "maxvit_t", "vit_ti_16": "timm vit_tiny", "vit_b_16": "VisionTransformer",
    "dinov2_vits14_reg": "timm dinov2 with registers", "dinov3_vits16": "timm dinov3", "siglip_b_16": "timm test_vit3", "tiny_vit_21m": "timm tiny_vit_5m",
    "tf_efficientnetv2_s": "timm tf_efficientnetv2_b0",
}  # fmt: skip
SHAPES = {
    "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand", "Flatten", "Gather", "Identity", "Mod", "Range",
    "Reshape", "Shape", "Slice", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip


def operators(name):
    """The types of a skeleton's nodes, but for those that only move values or compute shapes."""
    model = onnx.load_from_string(skeletons.read(GRAPHS / f"{name}.onnx.gz"))
    return {node.op_type for node in model.graph.node} - SHAPES


def vouchers(rows):
    """For each network those in parity-training.md, one or two, that have all its operators; "–" where none have."""
    known, found = {name: operators(name) for name in TRAINED}, {}
    for name in rows:
        ops = operators(name)
        choices = [(name,)] if name in known else [(one,) for one in known]
        choices += itertools.combinations(known, 2)
        having = [c for c in choices if ops <= set().union(*(known[one] for one in c))]
        best = min(having, key=lambda c: (len(c), sum(len(known[one]) for one in c)), default=())
        found[name] = " and ".join(TRAINED[one] for one in best) or "–"
    return found


def write(path, rows, scratch):
    lines, trained, notes = [], vouchers(rows), []
    for row in rows.values():
        kept = result(scratch, row)
        number = lambda key: f"{kept[key]:.1e}" if key in kept else "–"
        export = number("export") if registry.has_head(row) else "as features"
        if "from_float64" in kept:
            ours, torchs = kept["from_float64"]
            notes.append(f"\n{row['name']}: beside PyTorch in float64, fx's features differ by {ours:.1e}, PyTorch's own in float32 by {torchs:.1e}.\n")
        lines.append([
            row["name"], export, number("features"), str(kept.get("pixels", "–")), number("answers"),
            trained[row["name"]], kept.get("finetune", "–"), f"{kept['speed']:.2f} ×" if "speed" in kept else "–",
        ])  # fmt: skip
    machines = sorted({kept["machine"] for row in rows.values() if "machine" in (kept := result(scratch, row))})
    notes += [f"\nSpeeds: {' and '.join(machines)}.\n"] if machines else []
    head = ["network", "export", "features", "pixels that differ", "answers", "gradients by", "finetunes", "photos/s, torch = 1"]
    pathlib.Path(path).write_text(HEAD + table(head, lines) + "".join(notes))


if __name__ == "__main__":
    sys.exit(main())

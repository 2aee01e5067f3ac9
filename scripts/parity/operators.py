"""Trains one network of each set of operators with fx's graphs and with PyTorch, in float64.

    pip install -r scripts/parity/requirements.txt -r scripts/export_onnx/requirements.txt
    python scripts/parity/operators.py --fx bin/fx --data hymenoptera_data --scratch out/operators --out docs/parity-training.md [NAME ...]

Each network is built small, made lively (lively), exported by scripts/export_onnx and opened by `fx artifacts
generate`. The step graph, evaluated node by node in float64 (evaluator.py), trains beside PyTorch's autograd and SGD on
the same module: batches of two photos, stochastic depth and dropout with the same masks in both. Five steps run freely,
each from the state that the step before left.

The result of each network is kept in the scratch folder and not measured again unless --again says so. The table
replaces the last section of the document. Exit code 0 where all holds, 1 where not.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import sys
import warnings

import numpy as np
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import filestep
from batches import Batches, masks
from closeness import furthest, vanishing, worst
from fxgraphs import Artifacts, GraphTraining, described, exactly, noise_shapes
from fxrun import FX
from markdown import table
from training import MEAN, STD, Training
from trainingreport import OPERATORS

sys.path.append(str(pathlib.Path(__file__).parent.parent / "export_onnx"))
import own  # noqa: E402
import preprocessing  # noqa: E402
from sources import Source  # noqa: E402

own.TOLERANCE = 1e-2  # of the exporter's float32: a random network amplifies rounding; here float64 decides
BATCH, CLASSES, STEPS, LR, MOMENTUM = 2, 3, 5, 0.001, 0.9
EXACT = 1e-6  # of everything: constants that the modules compute with are float32 in the graph


def of_torchvision(name, **options):
    return lambda size: torchvision.models.get_model(name, weights=None, num_classes=10, **options)


def of_timm(name, sized=False, **options):
    return lambda size: timm.create_model(name, num_classes=10, **({"img_size": size} if sized else {}), **options)


def small_vit(size):
    """vit_b_16 with fewer and narrower layers."""
    return torchvision.models.VisionTransformer(size, 16, num_layers=3, num_heads=3, hidden_dim=48, mlp_dim=96, num_classes=10)


# name → pixels, builder, what of it no other network has
NETWORKS = {
    "swin_t": (64, of_torchvision("swin_t"), "Pad with computed pads, shifted windows (ScatterND of the mask), stochastic depth"),
    "swin_v2_t": (64, of_torchvision("swin_v2_t"), "ScatterND into a parameter, ReduceL2, Clip and Exp of a parameter"),
    "maxvit_t": (224, of_torchvision("maxvit_t"), "Einsum, batch normalization and attention together"),
    "convnext_tiny": (64, of_torchvision("convnext_tiny"), "stochastic depth, LayerNormalization of channels"),
    "efficientnet_b0": (64, of_torchvision("efficientnet_b0"), "stochastic depth with batch normalization and dropout"),
    "timm swin_tiny": (56, of_timm("swin_tiny_patch4_window7_224", True), "Pad, stochastic depth of timm (DropPath)"),
    "timm davit_tiny": (64, of_timm("davit_tiny"), "attention over channels, Pad"),
    "timm hgnetv2_b0": (64, of_timm("hgnetv2_b0"), "Pad before pooling, scalar scale and bias"),
    "timm tf_efficientnetv2_b0": (64, of_timm("tf_efficientnetv2_b0"), "Pad computed in floats (TensorFlow's SAME)"),
    "timm xcit_nano_12_p16": (64, of_timm("xcit_nano_12_p16_224", True), "Tile, Sin and Cos, ReduceL2"),
    "timm hiera_tiny": (64, of_timm("hiera_tiny_224", True), "ReduceMax"),
    "timm poolformer_s12": (64, of_timm("poolformer_s12"), "InstanceNormalization (group normalization), average pooling as a layer"),
    "timm mobilevitv2_050": (64, of_timm("mobilevitv2_050"), "InstanceNormalization with batch normalization"),
    "timm eca_nfnet_l0": (64, of_timm("eca_nfnet_l0"), "standardized weights (BatchNormalization of computed statistics)"),
    "timm mvitv2_tiny": (64, of_timm("mvitv2_tiny", True), "Einsum, ScatterND into attention scores"),
    "timm twins_svt_small": (64, of_timm("twins_svt_small", True), "windows and subsampled attention"),
    "mobilenet_v3_small": (64, of_torchvision("mobilenet_v3_small"), "HardSwish, HardSigmoid, squeeze and excitation"),
    "shufflenet_v2_x0_5": (224, of_torchvision("shufflenet_v2_x0_5"), "channels shuffled by Reshape, Transpose and Split"),
    "VisionTransformer": (64, small_vit, "torchvision's attention, in which one matrix makes queries, keys and values"),
    "timm vit_tiny": (64, of_timm("vit_tiny_patch16_224", True), "class token, attention, LayerNormalization, Gelu"),
    "timm dinov2 with registers": (56, of_timm("vit_small_patch14_reg4_dinov2", True), "registers, layer scale"),
    "timm dinov3": (64, of_timm("vit_small_patch16_dinov3", True), "rotary position embedding"),
    "timm test_vit3": (160, of_timm("test_vit3"), "attention pooling, as SigLIP's and PE's"),
    "timm tiny_vit_5m": (64, of_timm("tiny_vit_5m_224"), "windows, attention biases, batch normalization"),
}  # fmt: skip


def lively(model, images):
    """Makes a random network's layers matter: norms scale and shift, layer scales and tables are not near zero, and the
    running statistics are those of the photos."""
    generator = torch.Generator().manual_seed(2)
    uniform = lambda p, low, high: p.data.uniform_(low, high, generator=generator)
    for name, p in model.named_parameters():
        last = name.rpartition(".")[2]
        if any(word in name for word in ("gamma", "layer_scale", "skipinit", "temperature", "ls1", "ls2")):
            uniform(p, 0.3, 0.8)
        elif last == "bias":
            uniform(p, -0.2, 0.2)
        elif p.dim() <= 1:
            uniform(p, 0.5, 1.5)
        elif "table" in name or "pos" in name or "token" in name or "rel_" in name:
            uniform(p, -0.5, 0.5)
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [m.momentum for m in norms]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # cumulative average: the batch's own statistics
    with torch.no_grad():
        model.train()(images)
    for module, momentum in zip(norms, momenta):
        module.momentum = momentum
        module.num_batches_tracked.zero_()
    return model.eval()


@contextlib.contextmanager
def drawn(given):
    """Dropout and stochastic depth take these masks, in the order in which they run."""
    left = iter(given)

    def dropout(x, p=0.5, training=True, inplace=False):
        return x * torch.from_numpy(next(left)).to(x.dtype) if training and p else x

    def depth(x, p=0.0, mode_or_training="row", training=True, **_):
        training = mode_or_training if isinstance(mode_or_training, bool) else training
        return dropout(x, p, training)

    places = [(F, "dropout", dropout), (sys.modules["torchvision.ops.stochastic_depth"], "stochastic_depth", depth),
              (sys.modules["timm.layers.drop"], "drop_path", depth)]  # fmt: skip
    before = [getattr(module, name) for module, name, _ in places]
    for module, name, function in places:
        setattr(module, name, function)
    try:
        yield
    finally:
        for (module, name, _), function in zip(places, before):
            setattr(module, name, function)
    if len(list(left)):
        raise ValueError("PyTorch drew fewer masks than the graph")


class ModuleTraining(Training):
    """Any module in training, in float64, with the float32 constants of the graph."""

    def __init__(self, net):
        self.net, self.dtype, self.rounded, self.masks = net.double().train(), torch.float64, True, []
        self.round_constants()
        for module in net.modules():
            for name, value in vars(module).items():
                if isinstance(value, float) and not isinstance(module, nn.BatchNorm2d):
                    setattr(module, name, self.constant(value))
        self.optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=self.constant(MOMENTUM))

    def step(self, images, labels, given):
        with drawn(given):
            return super().step(images, labels, [])


def measure(name, options):
    """What one network gives; see the table."""
    size, build, _ = NETWORKS[name]
    scratch = pathlib.Path(options.scratch) / "now"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    photos = pathlib.Path(options.data) / "train"
    batches = Batches(photos, size, BATCH)
    torch.manual_seed(0)
    model = build(size)
    images = torch.from_numpy(Batches(photos, size, 16)(1)[0]).permute(0, 3, 1, 2) / 255
    model = lively(model, (images - torch.tensor(MEAN).reshape(3, 1, 1)) / torch.tensor(STD).reshape(3, 1, 1))
    spec = preprocessing.imagenet(size, size)
    report = own.export(Source("network", model, spec, "random"), spec, str(scratch / "network.onnx"))
    if report["mode"] != "training":
        raise ValueError(f"{name} is exported as it evaluates: {report['notes']}")
    FX(options.fx)("artifacts", "generate", "--backbone", scratch / "network.onnx", "--classes", CLASSES, "--batch-size", BATCH,
                   "--optimizer", "sgd", "--momentum", MOMENTUM, "--out", scratch / "artifacts")  # fmt: skip
    artifacts = Artifacts(scratch / "artifacts")
    filestep.strict(model, artifacts.values)
    ours, theirs = GraphTraining(artifacts, exactly, LR), ModuleTraining(model)
    noise = noise_shapes(described(artifacts.model("step")))
    losses, first = [], None
    for number in range(STEPS):
        images, labels = batches(number)
        batch = images, labels, masks(number, noise)
        losses.append((ours.step(*batch), theirs.step(*batch)))
        if first is None:
            gradients = theirs.gradients()
            missing = sorted(set(gradients) - set(ours.momenta()))
            if missing:
                raise ValueError(f"{name}: fx does not train {missing}")
            first = worst(ours.momenta(), gradients, vanishing(gradients))
    shutil.rmtree(scratch)
    values = {k: v for k, v in theirs.values().items() if k in ours.values()}
    return first | {
        "parameters": len(gradients), "masks": len(noise), "losses": losses, "values": furthest(ours.values(), values), "size": size,
    }  # fmt: skip


def apart(losses):
    return max(abs(a - b) / abs(b) for a, b in losses)


def holds(result):
    distances = result["gradient"][0], result["vanishing"][0], result["values"][0], apart(result["losses"])
    return max(distances) <= EXACT


def section(results):
    head = ["network", "pixels", "parameters", "masks", "loss", "gradient", f"losses of {STEPS} steps", f"values after {STEPS} steps", "covers"]
    number = lambda v: f"{v:.1e}" + ("" if v <= EXACT else " ✗")
    rows = [
        [name, str(r["size"]), str(r["parameters"]), str(r["masks"]), number(apart(r["losses"][:1])), number(max(r["gradient"][0], r["vanishing"][0])),
         number(apart(r["losses"])), number(r["values"][0]), NETWORKS[name][2]]
        for name, r in results.items()
    ]  # fmt: skip
    return f"""{OPERATORS}
Written by `scripts/parity/operators.py`: the step graph of a small network, evaluated in float64, beside PyTorch in
float64. Batches of {BATCH} photos, {CLASSES} classes, SGD with learning rate {LR} and momentum {MOMENTUM}, random weights made lively, the same masks
of dropout and stochastic depth in both. Loss and gradient are of the first step; the losses and values after {STEPS} steps
are of trainings that run freely beside each other. The bar is {EXACT:.0e}, because the graph keeps constants, such as
the scale of attention, as float32; ✗ marks what misses it.

{table(head, rows)}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks (default: all)")
    parser.add_argument("--fx", default="bin/fx", help="the program")
    parser.add_argument("--data", required=True, help="folder with train/ and val/")
    parser.add_argument("--scratch", required=True, help="folder for results, and for graphs on the way")
    parser.add_argument("--out", help="document whose last section is replaced")
    parser.add_argument("--again", action="store_true", help="measure what there are results of too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)
    warnings.filterwarnings("ignore")
    for name in options.names or NETWORKS:
        path = result_file(options, name)
        if options.again or not path.exists():
            result = measure(name, options)
            path.write_text(json.dumps(result, indent=1) + "\n")
            print(name, "loss", apart(result["losses"]), {k: result[k] for k in ("gradient", "vanishing", "values")}, flush=True)
    results = {name: json.loads(result_file(options, name).read_text()) for name in NETWORKS if result_file(options, name).exists()}
    if options.out:
        document = pathlib.Path(options.out)
        document.write_text(document.read_text().partition(OPERATORS)[0] + section(results))
    wrong = [name for name, result in results.items() if not holds(result)]
    for name in wrong:
        print("FAULT: " + name)
    return 1 if wrong else 0


def result_file(options, name):
    return pathlib.Path(options.scratch) / f"{name.replace(' ', '-')}.json"


if __name__ == "__main__":
    sys.exit(main())

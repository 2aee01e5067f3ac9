"""The measurements of gradients.py as a document, and their failures."""

import platform

import onnxruntime
import torch

from closeness import curve, steps_within
from families import BATCH, DISTURBANCE, LR, MOMENTUM, PAIRS
from markdown import table

EXACT = 1e-9  # in float64, of everything
LOSS, GRADIENT, CURVE = 1e-5, 1e-3, 1e-3  # in float32
FACTOR = 3  # how many times as far as PyTorch's float32 fx's may lie from the truth
ROUNDING = 1e-5  # of a gradient that float32 determines

CALLED = {"fx": "fx", "torch": "PyTorch", "truth": "truth"}

DOCUMENT = """\
# Training beside PyTorch

Written by `go tool -modfile=tools/go.mod task parity-training`: batches of {batch} real photos at each network's own input
size, two classes, dropout on with the same masks in both, SGD with learning rate {lr} and momentum {momentum}. The weights are
seeded (`seed:0`), not trained, unless stated otherwise. The order of the batches is random. torch {torch}, ONNX Runtime {ort}, {machine}.

"Truth" is PyTorch in float64. Differences are relative: of a loss to the loss, of a gradient in L2 to its norm, the
worst of all parameters.

## Summary

In float32, a single step (the worst of {batches} batches) and {steps} steps, each on the next batch. The bars are {loss:.0e} for the loss,
{gradient:.0e} for gradients and {curve:.0e} for the losses of {steps} steps; ✗ marks what misses one.

{summary}

A Relu whose input is within rounding of zero is open in one computation and closed in the other, and a max pooling
picks another of two equal values. At such a tie the gradient jumps, and so do all gradients before it. That is why
PyTorch's own float32 misses the bar against PyTorch's float64. "Same decisions" makes PyTorch open the same Relus
and take the same maxima as fx; then only rounding remains.

## The graphs in float64, against autograd

The graphs that `fx artifacts generate` writes, evaluated node by node in float64 (`scripts/parity/evaluator.py`), against
PyTorch's autograd, SGD and running statistics in float64 on torchvision's module. ONNX keeps numbers such as epsilon (1e-5),
the momentum of batch normalization (0.9) and the weight of the auxiliary loss (0.4) as float32: PyTorch
uses the same rounded ones here. Nothing else is rounded. Both forms of the first step are compared, the whole one and
the split one; then {steps} steps in all, each from PyTorch's state before it, with momentum.

{exact}

"Vanishing" gradients are sums that cancel, such as that of a convolution's bias before batch statistics: their difference
is relative to the largest gradient of the layer. "Values" are all parameters and running statistics.

Training amplifies differences, even in float64. Here are the losses of {steps} independent steps, and
PyTorch's own when its weights are off by {disturbance:.0e}: the largest relative difference, and in brackets the
first step where it is beyond {curve:.0e}.

{free}

## One step in float32

The worst of {batches} batches; decisions that differ, batch by batch.

{single}

If only the Relus decide alike, and each max pooling is free, the distance of fx from the truth is: {only_relus}.

## {steps} steps in float32

The largest relative difference of the loss, and in brackets the first step where it is beyond {curve:.0e}.

{curves}
"""


OPERATORS = "## One network of each set of operators\n"  # the last section, which operators.py writes


def report(results):
    steps, batches = len(results[0]["exact"]["losses"]), len(results[0]["single"])
    only_relus = (f"{r['network']} {number(max(s['only Relus alike']['gradient'][0] for s in r['single']))}" for r in results)
    return DOCUMENT.format(
        batch=BATCH, lr=LR, momentum=MOMENTUM, torch=torch.__version__.partition("+")[0], ort=onnxruntime.__version__, machine=platform.machine(),
        batches=batches, steps=steps, disturbance=DISTURBANCE, loss=LOSS, gradient=GRADIENT, curve=CURVE,
        summary=summary_table(results, steps), exact=exact_table(results, steps), free=free_table(results), single=single_table(results),
        only_relus=", ".join(only_relus), curves=curve_table(results),
    )  # fmt: skip


def summary_table(results, steps):
    rows = []
    for r in results:
        worst = lambda pair, *path: max(pick(s[pair], path) for s in r["single"])
        c = r["curves"]
        rows.append([
            r["network"], marked(worst("fx-torch", "loss"), LOSS), marked(worst("fx-torch", "gradient", 0), GRADIENT),
            marked(worst("torch-truth", "gradient", 0), GRADIENT), marked(worst("fx-torch", "alike", "gradient", 0), GRADIENT),
            marked(curve(c["fx"], c["torch"]), CURVE), marked(curve(c["torch"], c["truth"]), CURVE), marked(curve(c["fx"], c["alike"]), CURVE),
        ])  # fmt: skip
    head = ["network", "loss", "gradient", "PyTorch's own, to the truth", "gradient, same decisions",
            f"{steps} steps", "PyTorch's own, to the truth", f"{steps} steps, same decisions"]  # fmt: skip
    return table(head, rows)


def exact_table(results, steps):
    rows = []
    for r in results:
        e = r["exact"]
        worst = lambda what: number(max(e[form][what][0] for form in ("step", "split")))
        later = number(max(s[what][0] for s in e["later"] for what in s))
        ours, theirs = zip(*e["losses"])
        rows.append([
            r["network"], str(r["parameters"]), number(curve(ours[:1], theirs[:1])), worst("gradient"),
            f"{worst('vanishing')} ({len(e['vanishing'])})", worst("values"), f"{e['decided differently']} of {e['decisions']:,}",
            number(curve(ours, theirs)), later,
        ])  # fmt: skip
    head = ["network", "parameters", "loss", "gradient", "vanishing ones (number)", "values after the step", "decisions that differ",
            f"losses of {steps} steps", "momenta and values after each"]  # fmt: skip
    return table(head, rows)


def free_table(results):
    rows = [[r["network"], parting(r["free"]["fx"], r["free"]["truth"]), parting(r["free"]["disturbed"], r["free"]["truth"])] for r in results]
    return table(["network", "fx – PyTorch", f"PyTorch – PyTorch off by {DISTURBANCE:.0e}"], rows)


def single_table(results):
    rows = []
    for r in results:
        for a, b in PAIRS:
            batches = [s[f"{a}-{b}"] for s in r["single"]]
            value, name = max(s["gradient"] for s in batches)
            alike = [s["alike"] for s in batches]
            rows.append([
                r["network"], f"{CALLED[a]} – {CALLED[b]}", number(max(s["loss"] for s in batches)), f"{number(value)} {name}",
                " ".join(str(s["decided differently"]) for s in batches),
                number(max(s["gradient"] for s in alike)[0]), number(max(s["vanishing"] for s in alike)[0]),
            ])  # fmt: skip
    head = ["network", "pair", "loss", "gradient", "decisions that differ", "gradient, same decisions", "vanishing ones"]
    return table(head, rows)


def curve_table(results):
    pairs = (*PAIRS, ("fx", "alike"))
    rows = [[r["network"], *(parting(r["curves"][a], r["curves"][b]) for a, b in pairs)] for r in results]
    return table(["network", *(f"{CALLED[a]} – {CALLED[b]}" for a, b in PAIRS), "fx – PyTorch, same decisions"], rows)


def parting(got, want):
    """The largest relative difference of two loss curves, and the first step beyond CURVE."""
    together = steps_within(got, want, CURVE)
    return number(curve(got, want)) + ("" if together == len(want) else f" ({together + 1})")


def pick(value, path):
    for key in path:
        value = value[key]
    return value


def number(value):
    return f"{value:.1e}"


def marked(value, bar):
    return number(value) + ("" if value <= bar else " ✗")


def faults(results):
    """Descriptions of the failures."""
    return [f"{r['network']}: {fault}" for r in results for fault in (*inexact(r["exact"]), *unlike(r["single"]), *parted(r["curves"]))]


def inexact(e):
    for form in ("step", "split"):
        for what, (value, name) in e[form].items():
            if not value <= EXACT:
                yield f"{form} form in float64, {what} {name}: {value:.1e}"
    for step, (after, (ours, theirs)) in enumerate(zip(e["later"], e["losses"][1:], strict=True), 2):
        for what, (value, name) in (after | {"loss": (abs(ours - theirs) / theirs, "")}).items():
            if not value <= EXACT:
                yield f"step {step} in float64, {what} {name}: {value:.1e}"


def unlike(batches):
    for i, s in enumerate(batches):
        value = s["fx-torch"]["loss"]
        if not value <= LOSS:
            yield f"batch {i}: the loss is {value:.1e} off PyTorch's"
        for pair in ("fx-torch", "fx-truth"):
            value, name = s[pair]["alike"]["gradient"]
            if not value <= GRADIENT:
                yield f"batch {i}: with the same decisions {name} is {value:.1e} off, {pair}"
        for what in ("gradient", "vanishing"):
            ours, theirs = (s[pair]["alike"][what][0] for pair in ("fx-truth", "torch-truth"))
            if not ours <= max(FACTOR * theirs, ROUNDING):
                yield f"batch {i}: with its own decisions the worst {what} is {ours:.1e} off the truth, PyTorch's {theirs:.1e}"


def parted(losses):
    ours, theirs = (curve(losses[side], losses["truth"]) for side in ("fx", "torch"))
    if not ours <= max(FACTOR * theirs, CURVE):
        yield f"the losses get {ours:.1e} off the truth, PyTorch's {theirs:.1e}"
    value = curve(losses["fx"], losses["alike"])
    if not value <= max(FACTOR * theirs, CURVE):
        yield f"with the same decisions the losses part by {value:.1e}, PyTorch's from the truth by {theirs:.1e}"

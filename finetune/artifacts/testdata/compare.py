"""Compares fx's training graphs with PyTorch, and writes networks.json.

    go test ./finetune/artifacts -run TestWriteModels -write-models /tmp/models
    pip install torch torchvision onnx onnxruntime safetensors
    python finetune/artifacts/testdata/compare.py /tmp/models [--write | --scan N] [NAME ...]

For each network at its own input size, batch 4, the weights that fx wrote
(seed:0): the loss and every parameter's gradient, and the loss of 20 SGD steps
(lr 0.0001, but for RATES, momentum 0.9) on the same batch, from fx's graphs on ONNX Runtime and
from PyTorch. Photos, labels and dropout masks come from formulas in whole numbers
that the Go test repeats.

Printed are the relative difference of the loss; the worst relative L2 difference
of a gradient, and the same of PyTorch's float32 and of fx against PyTorch's
float64; and the worst relative difference in the loss curve.

Why float64: a Relu whose input lies within rounding of zero opens in one
computation and stays shut in the other, and one such place in ResNet-18's last
stage (100,000 values) changes every gradient below it by 0.3 %. Which batches
hold such a place differs between any two implementations, PyTorch's float32 and
float64 included. So a float64 run that opens each Relu where fx's does is the
measure of fx's rules. --scan N compares N batches; BATCHES names one for each network
where it matters little, as far as there is one: densenet121 and inception_v3 have
so many Relus that every batch has some. inception_v3's auxiliary classifier
normalises four values per channel at this batch size, which alone costs
float32, PyTorch's as well, all but two digits of the gradients below it; the loss
curves of PyTorch's float32 and float64 part by 1.4 % in 12 steps. Gradients that are zero in exact arithmetic (the bias of
a convolution whose output is normalised by batch statistics) are compared by
size: their norm against that of the gradient of the same layer's weight.

squeezenet1_0's seed:0 gradients are ill-conditioned as they stand: the signal
shrinks from layer to layer until biases decide, and PyTorch's float32 itself is
off by several percent. GAIN scales its weights by the square root of 6, which
makes their variance that of He et al., "Delving Deep into Rectifiers", 2015.

--write keeps, for the Go test, the losses and of each gradient its norm and
projections on vectors of ±1.
"""

import argparse
import json
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torchvision
from safetensors.numpy import load_file

BATCH, STEPS, PROJECTIONS, LR, MOMENTUM = 4, 20, 4, 0.0001, 0.9
RATES = {"vgg11_bn": 0.00001, "densenet121": 0.00002, "inception_v3": 0.00001}  # larger steps carry rounding's differences away
ZERO = {"features.norm0.weight"}  # densenet121: every layer that follows normalises each channel again
SIZE = {"inception_v3": 299}
BATCHES = {"resnet18": 4, "squeezenet1_0": 2}
GAIN = {"squeezenet1_0": 6**0.5}


def mix(i):
    """A 32-bit hash of the integers i."""
    mask = np.uint64(0xFFFFFFFF)
    h = (i.astype(np.uint64) * np.uint64(0x9E3779B1)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x2C1B3C6D)) & mask
    h ^= h >> np.uint64(12)
    h = (h * np.uint64(0x297A2D39)) & mask
    return h ^ (h >> np.uint64(15))


def signs(count, k):
    return 1.0 - 2.0 * (mix(np.arange(count) + 7919 * k) & np.uint64(1)).astype(np.float64)


def mask(shape, drop, k):
    """Dropout mask k: zero where the hash falls below drop."""
    u = mix(np.arange(int(np.prod(shape))) + 104729 * (k + 1)).astype(np.float64) / 2**32
    return np.where(u < drop, 0.0, 1 / (1 - drop)).astype(np.float32).reshape(shape)


def photos(batch, size):
    """Batch number batch: eight triangle waves for each channel, five of them shared, and noise; 8-bit levels / 64 - 2."""
    y, x = np.ogrid[0:size, 0:size]
    out = np.zeros((BATCH, 3, size, size), np.float32)
    for i in range(BATCH):
        for c in range(3):
            v = np.zeros((size, size), np.int64)
            for k in range(8):
                h = mix(np.arange(4) + 4 * ((BATCH * batch + i) * 64 + k * 4 + (c if k >= 5 else 3))).astype(np.int64)
                p = (((h[0] % 13 - 6) * y + (h[1] % 13 - 6) * x) * 2 + h[2] % 512) & 511
                v += (16 + h[3] % 48) * (np.abs(p - 256) - 128) >> 7
            noise = mix(np.arange(size * size) + ((BATCH * batch + i) * 3 + c) * size * size).astype(np.int64) & 31
            out[i, c] = np.clip(128 + v + noise.reshape(size, size) - 16, 0, 255) / 64 - 2
    return out


def labels(batch, classes=1000):
    return (np.arange(BATCH * batch, BATCH * batch + BATCH) * 337 + 11) % classes


def network(name):
    options = {"weights": None}
    if name == "inception_v3":
        options.update(aux_logits=True, transform_input=True, init_weights=False)
    return getattr(torchvision.models, name)(**options)


class Patched:
    """Gives torch.nn.functional our dropout masks and, where given, the places where each Relu opens."""

    def __init__(self, opened=None):
        self.opened, self.drops, self.relus = opened, 0, 0

    def __enter__(self):
        f = torch.nn.functional
        self.real = f.dropout, f.relu
        f.dropout = self.dropout
        if self.opened is not None:
            f.relu = self.relu

    def __exit__(self, *_):
        torch.nn.functional.dropout, torch.nn.functional.relu = self.real

    def dropout(self, x, p=0.5, training=True, inplace=False):
        self.drops += 1
        return x * torch.from_numpy(mask(tuple(x.shape), p, self.drops - 1)).to(x.dtype)

    def relu(self, x, inplace=False):
        self.relus += 1
        return x * torch.from_numpy(self.opened[self.relus - 1]).to(x.dtype)


def reference(name, state, batch, steps, dtype=torch.float32, opened=None):
    """The losses of the steps, and the gradients of the first."""
    net = network(name)
    net.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in state.items()}, strict=False)
    net = net.to(dtype).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=RATES.get(name, LR), momentum=MOMENTUM)
    x = torch.from_numpy(photos(batch, SIZE.get(name, 224))).to(dtype)
    y = torch.from_numpy(labels(batch))
    losses, gradients = [], None
    for _ in range(steps):
        optimizer.zero_grad()
        with Patched(opened):
            out = net(x)
        if name == "inception_v3":
            loss = torch.nn.functional.cross_entropy(out[0], y) + 0.4 * torch.nn.functional.cross_entropy(out[1], y)
        else:
            loss = torch.nn.functional.cross_entropy(out, y)
        loss.backward()
        losses.append(loss.item())
        gradients = gradients or {k: p.grad.numpy().copy() for k, p in net.named_parameters()}
        optimizer.step()
    return losses, gradients


def session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    s = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return s, json.loads(s.get_modelmeta().custom_metadata_map["fx.training"])


def feeds(graph, state, batch, name):
    f = {graph["image"]: photos(batch, SIZE.get(name, 224)), graph["labels"]: labels(batch)}
    for k, n in enumerate(graph.get("noise") or []):
        f[n["name"]] = mask(n["shape"], n["drop"], k)
    if graph.get("learning_rate"):
        f["lr"] = np.array(RATES.get(name, LR), np.float32)
    if graph.get("scale"):
        f["gradient_scale"] = np.array(1, np.float32)
    return f | state


def initial(graph, state):
    return {s["name"]: state[s["name"]] if s["name"] in state else np.zeros(s["shape"], np.float32) for s in graph["state"]}


def zero_in_theory(name, gradients):
    """Whether batch statistics take this bias out again: see the module's docstring."""
    if name in ZERO:
        return True
    weight = name.removesuffix("bias") + "weight"
    return name.endswith("bias") and weight in gradients and np.linalg.norm(gradients[name]) < 1e-4 * np.linalg.norm(gradients[weight])


def weights(folder, name):
    state = load_file(folder / f"{name}.safetensors")
    gain = np.float32(GAIN.get(name, 1))
    return {k: v * gain if v.ndim > 1 else v for k, v in state.items()}


def outputs(s, f):
    return dict(zip([o.name for o in s.get_outputs()], s.run(None, f)))


def relus(path, f):
    """Where each Relu of fx's graph opens, in the order of the graph."""
    m = onnx.load(str(path))
    names = [n.output[0] for n in m.graph.node if n.op_type == "Relu"]
    del m.graph.output[:]
    m.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    s = ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [v > 0 for v in s.run(names, {i.name: f[i.name] for i in s.get_inputs()})]


def distance(got, want):
    """The worst relative L2 difference with its name, and the worst size of what should be zero."""
    worst, zeros = (0.0, ""), (0.0, "")
    for k, w in want.items():
        if zero_in_theory(k, want):
            scale = np.linalg.norm(want["features.conv0.weight" if k in ZERO else k.removesuffix("bias") + "weight"])
            zeros = max(zeros, (float(np.linalg.norm(got[k]) / scale), k))
        else:
            worst = max(worst, (float(np.linalg.norm(got[k] - w) / np.linalg.norm(w)), k))
    return worst, zeros


def compare_gradients(folder, name, batch, steps):
    state = weights(folder, name)
    s, graph = session(folder / f"{name}.gradients.onnx")
    f = feeds(graph, initial(graph, state), batch, name)
    run = outputs(s, f)
    ours = {k.removesuffix("#grad#next"): v for k, v in run.items() if k.endswith("#grad#next")}
    losses, theirs = reference(name, state, batch, steps)
    _, exact = reference(name, state, batch, 1, torch.float64)
    _, same = reference(name, state, batch, 1, torch.float64, relus(folder / f"{name}.gradients.onnx", f))
    worst, zeros = distance(ours, theirs)
    agreed = distance(ours, same)[0]
    print(
        f"{name}, batch {batch}: loss {losses[0]:.6f}, relative difference {abs(run['loss'] - losses[0]) / losses[0]:.1e};"
        f" {len(theirs)} gradients, worst {worst[0]:.1e} ({worst[1]});"
        f" against float64: fx {distance(ours, exact)[0][0]:.1e}, torch {distance(theirs, exact)[0][0]:.1e};"
        f" against float64 with Relus open in the same places: fx {agreed[0]:.1e} ({agreed[1]});"
        f" zero in theory: {zeros[0]:.1e} {zeros[1]}",
        flush=True,
    )
    return losses, theirs


def compare(folder, name):
    for kind in ("step", "gradients"):
        onnx.checker.check_model(str(folder / f"{name}.{kind}.onnx"), full_check=True)
    batch, state = BATCHES.get(name, 0), weights(folder, name)
    losses, gradients = compare_gradients(folder, name, batch, STEPS)
    s, graph = session(folder / f"{name}.step.onnx")
    values, curve = initial(graph, state), []
    for _ in range(STEPS):
        run = outputs(s, feeds(graph, values, batch, name))
        curve.append(float(run["loss"]))
        values |= {v["name"]: run[v["next"]] for v in graph["state"] if v.get("next")}
    error = max(abs(a - b) / b for a, b in zip(curve, losses))
    print(f"{name}: {STEPS} steps, worst relative difference of the loss {error:.1e}, last {curve[-1]:.6f} against {losses[-1]:.6f}", flush=True)
    record = {"batch": batch, "gain": GAIN.get(name, 1), "lr": RATES.get(name, LR), "losses": losses, "gradients": {}}
    for k, g in gradients.items():
        flat = g.astype(np.float64).ravel()
        numbers = [np.linalg.norm(flat)] + [signs(flat.size, i) @ flat for i in range(PROJECTIONS)]
        record["gradients"][k] = [float(f"{v:.7g}") for v in numbers]
    return record


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--scan", type=int, default=0)
    arguments = parser.parse_intermixed_args()
    names = arguments.names or sorted(p.name.removesuffix(".step.onnx") for p in arguments.folder.glob("*.step.onnx"))
    path = pathlib.Path(__file__).parent / "networks.json"
    records = json.loads(path.read_text()) if path.exists() else {}
    for name in names:
        for batch in range(arguments.scan):
            compare_gradients(arguments.folder, name, batch, 1)
        if not arguments.scan:
            records[name] = compare(arguments.folder, name)
    if arguments.write:
        lines = []
        for name, r in sorted(records.items()):
            gradients = ",\n   ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in r.pop("gradients").items())
            lines.append(f' {json.dumps(name)}: {json.dumps(r)[:-1]}, "gradients": {{\n   {gradients}}}}}')
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

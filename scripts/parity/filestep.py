"""Compares the training step of a network from a file with the same step in PyTorch."""

import copy
import json
import pathlib
import shutil

import numpy as np
import onnxruntime as ort
import torch
from safetensors.numpy import load, load_file

BATCH, CLASSES, STEPS, RATE = 4, 3, 3, 0.01


class Graph:
    """An artifact of `fx artifacts generate`, with its metadata."""

    def __init__(self, path):
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.about = json.loads(self.session.get_modelmeta().custom_metadata_map["fx.training"])

    def run(self, state, feeds):
        zeros = {s["name"]: np.zeros(s["shape"], np.float32) for s in self.about["state"] if s["kind"] == "gradient"}
        known = zeros | state | feeds
        values = self.session.run(None, {i.name: known[i.name] for i in self.session.get_inputs()})
        outputs = dict(zip((o.name for o in self.session.get_outputs()), values))
        state |= {s["name"]: outputs.pop(s["next"]) for s in self.about["state"] if s.get("next")}
        return outputs


def photos(size):
    """uint8 [BATCH, size, size, 3]: smooth random pictures, all different."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(BATCH, 3, 7, 7, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic") + 0.1 * torch.rand(BATCH, 3, size, size, generator=generator)
    return (fine.clamp(0, 1) * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def still(model):
    """Turns off dropout, whose random numbers differ between the sides."""
    for module in model.modules():
        for name in ("p", "drop_prob"):
            if type(module).__name__ in ("Dropout", "StochasticDepth", "DropPath") and hasattr(module, name):
                setattr(module, name, 0.0)


def compare(fx, file, model, preprocess, scratch):
    """Train STEPS steps on one batch by fx's graphs and by torch, from the same
    weights with a fresh classifier for CLASSES classes. Returns how far fx, and
    how far PyTorch's float32, are from PyTorch's float64, relatively: a dictionary
    of pairs for the first loss, the worst of all losses and the worst gradient; and
    whose fx's worst gradient is. model is changed."""
    folder = pathlib.Path(scratch) / "artifacts"
    shutil.rmtree(folder, ignore_errors=True)
    fx("artifacts", "generate", "--backbone", file, "--classes", CLASSES, "--batch-size", BATCH, "--out", folder)
    start = load_file(folder / "checkpoint" / "model.safetensors")
    start |= load((folder / "checkpoint" / "training.state").read_bytes())
    strict(model, start)
    still(model)
    pixels, labels = photos(preprocess.crop), np.arange(BATCH) % CLASSES
    exact = train(copy.deepcopy(model).double(), preprocess.tensor(pixels).double(), torch.from_numpy(labels))
    single = train(model, preprocess.tensor(pixels), torch.from_numpy(labels))

    step, losses = Graph(folder / "step_model.onnx"), []
    mask = {n["name"]: np.ones(n["shape"], np.float32) for n in step.about.get("noise", [])}
    feeds = {"images": pixels, "labels": labels, "lr": np.array(RATE, np.float32), "gradient_scale": np.array(1, np.float32)} | mask
    state, sums = dict(start), dict(start)
    for _ in range(STEPS):
        losses.append(float(step.run(state, feeds)["loss"]))
    Graph(folder / "training_model.onnx").run(sums, feeds)
    shutil.rmtree(folder)
    own = losses, {name: sums[name + "#grad"] for name in exact[1]}

    relative = lambda got, want: abs(got - want) / abs(want)
    pairs = {"first loss": [], "losses": [], "gradient": []}
    for got, gradients in (own, single):
        pairs["first loss"].append(relative(got[0], exact[0][0]))
        pairs["losses"].append(max(map(relative, got, exact[0])))
        pairs["gradient"].append(farthest(gradients, exact[1])[0])
    return pairs, farthest(own[1], exact[1])[1]


def train(model, images, labels):
    """The losses of STEPS steps, and the gradients of the first."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    losses, gradients = [], {}
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        gradients = gradients or {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    return losses, gradients


def farthest(got, want):
    """The largest relative L2 of a gradient, with its name."""
    largest = max(np.linalg.norm(g) for g in want.values())
    distances = []
    for name, w in want.items():
        size = np.linalg.norm(w)
        if size < 1e-6 * largest:  # zero in exact arithmetic, as of a bias before batch statistics
            size = largest
        distances.append((float(np.linalg.norm(got[name] - w) / size), name))
    return max(distances)


def strict(model, state):
    """Load a state dict of fx's names as load_state_dict(strict=True) does, but
    for buffers that fx keeps in the graph; what differs in shape is the classifier."""
    own = model.state_dict()
    kept = {name for name, _ in model.named_buffers() if name in own and name not in state}
    tensors = {name: torch.from_numpy(np.array(t)) for name, t in state.items() if "#" not in name}
    resize(model, {name: t for name, t in tensors.items() if name in own and own[name].shape != t.shape})
    model.load_state_dict(tensors | {name: own[name] for name in kept}, strict=True)
    return kept


def resize(model, tensors):
    """Give the classifier's parameters the shapes of these tensors."""
    for name, tensor in tensors.items():
        layer, _, parameter = name.rpartition(".")
        setattr(model.get_submodule(layer), parameter, torch.nn.Parameter(tensor.clone()))

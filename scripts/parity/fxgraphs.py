"""Trains with the graphs that `fx artifacts generate` writes.

They run on ONNX Runtime in float32, as fx runs them, or in the Evaluator in
float64.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime as ort
import torch
from safetensors.numpy import load_file

from decisions import Decisions
from evaluator import Evaluator

GRADIENT, MOMENTUM = "#grad", "#momentum"


class Artifacts:
    """A folder of `fx artifacts generate`: its graphs and the weights to start from."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.info = json.loads((self.folder / "artifacts.json").read_text())
        self.values = load_file(self.folder / "checkpoint" / "model.safetensors")

    def model(self, name):
        return onnx.load(self.folder / f"{name}_model.onnx")

    def state_dict(self):
        """The weights for torchvision's load_state_dict(strict=True)."""
        return {k: torch.from_numpy(v.copy()) for k, v in self.values.items()}


class GraphTraining:
    """A step graph in a session: the state of a step is the input of the next.

    engine: OnRuntime or exactly. With deciding, each step leaves its decisions
    in the attribute of this name.
    """

    def __init__(self, artifacts, engine, lr, deciding=False):
        model, self.lr = artifacts.model("step"), lr
        self.described = described(model)
        self.state = initial(self.described, artifacts.values)
        self.relus, self.pools = forks(model) if deciding else ([], [])
        self.engine = engine(model, self.relus + self.pools)

    def step(self, images, labels, masks):
        out = self.engine(self.feeds(images, labels, masks))
        self.decisions = Decisions([as_tensor(out[n]) > 0 for n in self.relus], [as_tensor(out[n]) for n in self.pools])
        self.state |= {s["name"]: out[s["next"]] for s in self.described["state"] if s.get("next")}
        return float(out[self.described["loss"]])

    def momenta(self):
        """torch's momentum_buffer of each parameter: after the first step, its gradient."""
        return {s["of"]: as_tensor(self.state[s["name"]]) for s in self.described["state"] if s["name"].endswith(MOMENTUM)}

    def adopt(self, values, momenta):
        """Continues from another training's state."""
        for s in self.described["state"]:
            self.state[s["name"]] = (momenta if s["name"].endswith(MOMENTUM) else values)[s["of"]].detach().clone()

    def feeds(self, images, labels, masks):
        g = self.described
        noise = {n["name"]: mask for n, mask in zip(g.get("noise") or [], masks, strict=True)}
        return self.state | noise | {g["image"]: images, g["labels"]: labels, g["learning_rate"]: np.array(self.lr)}

    def values(self):
        """The current parameters and running statistics."""
        return {s["of"]: as_tensor(self.state[s["name"]]) for s in self.described["state"] if s["kind"] in ("parameter", "statistic")}


def split_step(artifacts, engine, lr, images, labels, masks):
    """The same step in two runs: the gradients of one batch, and the update. Returns loss, gradients and new values."""
    gradient_model, update_model = artifacts.model("training"), artifacts.model("optimizer")
    g, u = described(gradient_model), described(update_model)
    noise = {n["name"]: mask for n, mask in zip(g.get("noise") or [], masks, strict=True)}
    first = engine(gradient_model, [])(
        initial(g, artifacts.values) | noise
        | {g["image"]: images, g["labels"]: labels, g["scale"]: np.array(1.0)}
    )  # fmt: skip
    passed = {s["name"]: first[s["next"]] for s in g["state"] if s.get("next")}
    given = {s["name"] for s in u["state"]}
    second = engine(update_model, [])(
        initial(u, artifacts.values) | {k: v for k, v in passed.items() if k in given} | {u["learning_rate"]: np.array(lr)}
    )
    gradients = {k.removesuffix(GRADIENT): as_tensor(v) for k, v in passed.items() if k.endswith(GRADIENT)}
    values = {k: as_tensor(v) for k, v in passed.items() if not k.endswith(GRADIENT)}
    values |= {s["of"]: as_tensor(second[s["next"]]) for s in u["state"] if s["kind"] == "parameter"}
    return float(first[g["loss"]]), gradients, values


def exactly(model, extra):
    """The engine that computes in float64. extra: names of values to give back beside the outputs."""
    evaluator = Evaluator(model)
    outputs = [o.name for o in evaluator.model.graph.output]
    return lambda feeds: evaluator(feeds, outputs + extra)


class OnRuntime:
    """The engine that fx has: ONNX Runtime on the CPU, float32."""

    def __init__(self, model, extra):
        m = onnx.ModelProto()
        m.CopyFrom(model)
        m.graph.output.extend(onnx.ValueInfoProto(name=name) for name in extra)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = ort.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self.floats = {i.name for i in self.session.get_inputs() if i.type == "tensor(float)"}

    def __call__(self, feeds):
        names = [o.name for o in self.session.get_outputs()]
        feeds = {k: np.asarray(v, np.float32) if k in self.floats else v for k, v in feeds.items()}
        return dict(zip(names, self.session.run(names, feeds)))


def noise_shapes(graph):
    """(shape, probability of zero) of each dropout mask, in the order of the inputs."""
    return [(n["shape"], n["drop"]) for n in graph.get("noise") or []]


def described(model):
    """The meaning of the graph's inputs and outputs, see finetune/artifacts/graph.go."""
    return json.loads({p.key: p.value for p in model.metadata_props}["fx.training"])


def initial(graph, values):
    return {s["name"]: values[s["name"]] if s["name"] in values else np.zeros(s["shape"], np.float32) for s in graph["state"]}


def forks(model):
    """The outputs with each Relu's and each max pooling's decisions, in the order of the graph."""
    relus = [n.output[0] for n in model.graph.node if n.op_type == "Relu"]
    return relus, [n.output[1] for n in model.graph.node if n.op_type == "MaxPool"]


def as_tensor(value):
    return value if isinstance(value, torch.Tensor) else torch.from_numpy(value)

"""Runs an ONNX graph node by node on torch tensors, in float64.

A graph holds its numbers as float32. Here they are widened, so that what the
graph says is computed with sixteen digits, and a difference from another
computation in float64 cannot hide behind rounding.
"""

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from onnxops import OPS, Node


class Evaluator:
    """A graph, from a file or as a ModelProto, whose floats are of type dtype."""

    def __init__(self, model, dtype=torch.float64):
        self.model = model if isinstance(model, onnx.ModelProto) else onnx.load(model)
        self.dtype = dtype
        graph = self.model.graph
        unknown = sorted({n.op_type for n in graph.node if n.domain not in ("", "ai.onnx") or n.op_type not in OPS})
        if unknown:
            raise NotImplementedError(f"no evaluation of {', '.join(unknown)}: write it in onnxops.py")
        self.constants = {t.name: self.tensor(t) for t in graph.initializer}
        self.last = {}  # value → number of the node that uses it last
        for i, node in enumerate(graph.node):
            self.last |= dict.fromkeys(node.input, i)

    def __call__(self, feeds, wanted=None):
        """The values named in wanted, all outputs if it is None. feeds: name → array or tensor."""
        wanted = set(wanted or (o.name for o in self.model.graph.output))
        values = self.constants | {name: self.widen(v) for name, v in feeds.items()} | {"": None}
        with torch.no_grad():
            for i, node in enumerate(self.model.graph.node):
                outputs = self.run(node, [values[name] for name in node.input])
                values |= {name: v for name, v in zip(node.output, outputs) if name}
                for name in set(node.input):
                    if name and self.last[name] == i and name not in wanted:
                        del values[name]
        return {name: values[name] for name in wanted}

    def run(self, node, inputs):
        attributes = {a.name: self.attribute(a) for a in node.attribute}
        outputs = OPS[node.op_type](Node(attributes, len(node.output), self.dtype), *inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def attribute(self, a):
        value = onnx.helper.get_attribute_value(a)
        if isinstance(value, onnx.TensorProto):
            return self.tensor(value)
        if isinstance(value, bytes):
            return value.decode()
        return list(value) if a.type in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS) else value

    def tensor(self, t):
        return self.widen(numpy_helper.to_array(t))

    def widen(self, value):
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor

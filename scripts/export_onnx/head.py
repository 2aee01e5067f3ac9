"""Finds a network's classifier and features in its graph."""

from dataclasses import dataclass

import numpy as np
from onnx import helper, numpy_helper

import graph as graphs

AFTER_LOGITS = {"Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast"}
RESHAPES = {"Flatten", "Reshape", "Squeeze", "Identity"}
MEANS = {"GlobalAveragePool", "ReduceMean", "AveragePool"}
MERGED = ("classifier.merged.weight", "classifier.merged.bias")  # of merge


@dataclass
class Head:
    kind: str  # "linear", or "conv1x1": dropout, 1×1 convolution, ReLU, mean over positions
    features: str  # name of the tensor that goes in, dropout taken out
    weight: str
    bias: str
    channels: int  # features of a linear head, channels of a conv1x1 head
    classes: int


class Graph:
    def __init__(self, graph):
        self.producer = {name: node for node in graph.node for name in node.output}
        self.initializer = {t.name: t for t in graph.initializer}
        self.output = graph.output[0].name

    def op(self, value):
        node = self.producer.get(value)
        return node.op_type if node is not None else ""

    def skip(self, value, ops):
        """Follow value back through the first inputs of these ops."""
        while self.op(value) in ops:
            value = self.producer[value].input[0]
        return value

    def array(self, name):
        return numpy_helper.to_array(self.initializer[name]).astype(np.float64)

    def scalar(self, value):
        """The number that a Constant node gives, or None."""
        if self.op(value) != "Constant":
            return None
        constant = numpy_helper.to_array(self.producer[value].attribute[0].t)
        return constant.item() if constant.size == 1 else None

    def parameter(self, value, rank):
        t = self.initializer.get(value)
        return t if t is not None and len(t.dims) == rank else None


def find(graph):
    """Return the Head of an inference graph (see graph.to_inference), or None."""
    g = Graph(graph)
    value = g.skip(g.output, AFTER_LOGITS)
    return linear(g, value) or convolution(g, value)


def linear(g, value):
    """A fully connected layer: Gemm, or MatMul with a transposed weight and Add."""
    value = g.skip(value, RESHAPES)
    node, bias = g.producer.get(value), ""
    if node is not None and node.op_type == "Add":
        for parameter, other in (node.input, reversed(node.input)):
            if g.parameter(parameter, 1) is not None:
                bias, node = parameter, g.producer.get(other)
                break
    if node is None or node.op_type not in ("Gemm", "MatMul"):
        return None
    features, weight = node.input[0], node.input[1]
    transposed = node.op_type == "Gemm" and attribute(node, "transB", 0) == 1
    if g.op(weight) == "Transpose":
        weight, transposed = g.producer[weight].input[0], not transposed
    matrix = g.parameter(weight, 2)
    if matrix is None or not transposed:
        return None  # not a weight in torch's layout [classes, features]
    if len(node.input) > 2:
        bias = node.input[2]
    return Head("linear", features, weight, bias, matrix.dims[1], matrix.dims[0])


def convolution(g, value):
    """A 1×1 convolution as classifier: with ReLU and mean after it, or on one position."""
    value = g.skip(value, RESHAPES)
    pooled = g.skip(value, MEANS)
    rectified = g.skip(pooled, {"Relu"})
    node = g.producer.get(rectified)
    if node is None or node.op_type != "Conv":
        return None
    weight = g.parameter(node.input[1], 4)
    if weight is None or list(weight.dims[2:]) != [1, 1] or attribute(node, "group", 1) != 1:
        return None
    bias = node.input[2] if len(node.input) > 2 else ""
    if pooled != value and rectified != pooled:
        kind = "conv1x1"
    elif pooled == value and rectified == pooled and g.op(node.input[0]) in MEANS:
        kind = "linear"
    else:
        return None
    return Head(kind, node.input[0], weight.name, bias, weight.dims[1], weight.dims[0])


def dropout(training, head):
    """The share that training drops from the features, read off the training graph."""
    g = Graph(training)
    names = {head.weight} | {n.output[0] for n in training.node if n.op_type == "Transpose" and n.input[0] == head.weight}
    user = next(n for n in training.node if len(n.input) > 1 and n.input[1] in names)
    value = user.input[0]
    while value != head.features and g.op(value) in RESHAPES:
        value = g.producer[value].input[0]
    if value == head.features and g.op(value) in RESHAPES:  # a flatten after the dropout, as in inception_v3
        value = g.skip(value, RESHAPES)
    node = g.producer.get(value)
    if node is None or node.op_type != "Dropout":
        return 0.0
    ratio = g.producer.get(node.input[1]) if len(node.input) > 1 else None
    if ratio is None:
        return 0.5  # the operator's default
    return round(float(numpy_helper.to_array(ratio.attribute[0].t)), 6)


def undropped(training, value):
    """The tensor that dropout takes, if value is what it returns."""
    return Graph(training).skip(value, {"Dropout"})


def merge(model):
    """Replace two linear classifiers whose logits are averaged by one with the same logits; return whether it did.

    Networks trained by distillation have them. If both take the same tensor, or
    batch normalizations of it, the new classifier takes that tensor, else both
    tensors one after the other.
    """
    g = Graph(model.graph)
    mean = g.producer.get(g.output)
    total = g.producer.get(mean.input[0]) if mean is not None and mean.op_type == "Div" else None
    if total is None or total.op_type != "Add" or g.scalar(mean.input[1]) != 2:
        return False
    branches = [affine(g, value) for value in total.input]
    if None in branches:
        return False
    (x, weight, bias), (other, other_weight, other_bias) = branches
    tail = []
    if x == other:
        weight = (weight + other_weight) / 2
    else:
        tail.append(helper.make_node("Concat", [x, other], ["classifier_input"], "classifier_input", axis=1))
        x, weight = "classifier_input", np.concatenate([weight, other_weight], 1) / 2
    tail.append(helper.make_node("Gemm", [x, *MERGED], [g.output], "classifier", transB=1))
    for name, value in zip(MERGED, (weight, (bias + other_bias) / 2)):
        model.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
    model.graph.node.remove(mean)
    model.graph.node.extend(tail)
    graphs.prune(model)
    return True


def affine(g, value):
    """A linear classifier as (input, weight, bias) in float64, with a batch normalization before it; or None."""
    found = linear(g, value)
    if found is None:
        return None
    x, weight = found.features, g.array(found.weight)
    bias = g.array(found.bias) if found.bias else np.zeros(len(weight))
    node = g.producer.get(g.skip(x, {"Dropout", "Identity"}))
    if node is not None and node.op_type == "BatchNormalization":
        scale, shift, mean, variance = map(g.array, node.input[1:5])
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        scale = scale / np.sqrt(variance + epsilon)
        x, weight, bias = node.input[0], weight * scale, bias + weight @ (shift - mean * scale)
    return x, weight, bias


def attribute(node, name, default):
    return next((a.i for a in node.attribute if a.name == name), default)

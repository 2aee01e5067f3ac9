"""Every op of onnxops.py against ONNX Runtime."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from evaluator import Evaluator
from onnxops import OPS


def floats(*shape, low=-1.0):
    return np.random.default_rng(sum(shape) + len(shape)).uniform(low, 1, shape).astype(np.float32)


def whole(*values):
    return np.array(values, np.int64)


X = floats(2, 6, 7, 9)
WINDOW = dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])

# op, inputs, attributes; a number of outputs where it is not 1
CASES = [
    *[(op, [X, floats(7, 9, low=0.5)], {}) for op in ("Add", "Sub", "Mul", "Div")],
    *[(op, [floats(3, 4, low=0.1)], {}) for op in ("Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Identity")],
    ("Relu", [X], {}),
    ("HardSigmoid", [X], dict(alpha=0.7, beta=0.1)),
    ("HardSigmoid", [X], {}),
    ("Equal", [whole(1, 2, 3), whole(1, 0, 3)], {}),
    ("MatMul", [floats(2, 3, 4), floats(2, 4, 5)], {}),
    ("Expand", [floats(3, 1), whole(2, 1, 5)], {}),
    ("GlobalAveragePool", [X], {}),
    ("Cast", [np.arange(6, dtype=np.uint8)], dict(to=TensorProto.FLOAT)),
    ("Cast", [floats(4)], dict(to=TensorProto.INT64)),
    ("Constant", [], dict(value=helper.make_tensor("v", TensorProto.FLOAT, [2], [1.5, 2.5]))),
    ("ConstantOfShape", [whole(2, 3)], dict(value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5]))),
    ("ConstantOfShape", [whole(4)], {}),
    ("Reshape", [X, whole(0, -1, 9)], {}),
    *[("Flatten", [X], dict(axis=axis)) for axis in (2, 0, 4, -1, -4)],
    ("Transpose", [X], dict(perm=[0, 2, 3, 1])),
    ("Transpose", [X], {}),
    ("Unsqueeze", [floats(3, 4), whole(0, -1)], {}),
    ("Concat", [floats(2, 3), floats(2, 5)], dict(axis=1)),
    ("Split", [floats(2, 7), whole(3, 4)], dict(axis=1), 2),
    ("Split", [floats(7, 2)], dict(num_outputs=2), 2),
    ("Slice", [X, whole(1, 2), whole(6, -1), whole(2, -1), whole(2, 3)], {}),
    ("Slice", [floats(5, 5), whole(1, 0), whole(99, 3)], {}),
    ("Pad", [X, whole(0, 0, 1, 2, 0, 0, 3, 0)], {}),
    ("Pad", [X, whole(1, 2), np.array(0.5, np.float32), whole(-1)], {}),
    ("Gather", [X, np.array([[0, -1], [2, 1]], np.int64)], dict(axis=2)),
    ("Gather", [X, np.array(1, np.int64)], dict(axis=1)),
    ("ScatterElements", [floats(6), whole(4, 1), floats(2)], {}),
    ("ScatterElements", [floats(6), whole(4, 4, 1), floats(3)], dict(reduction="add")),
    ("SpaceToDepth", [floats(2, 3, 4, 6)], dict(blocksize=2)),
    *[(op, [X, whole(0, 2, 3)], {}) for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceSumSquare")],
    *[(op, [X, whole(1)], dict(keepdims=0)) for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceSumSquare")],
    ("ReduceSum", [X], dict(keepdims=0)),
    ("ArgMax", [floats(3, 5)], dict(axis=1, keepdims=0)),
    ("Gemm", [floats(3, 4), floats(4, 5), floats(5)], {}),
    ("Gemm", [floats(4, 3), floats(5, 4), floats(3, 5)], dict(transA=1, transB=1, alpha=0.5, beta=0.9)),
    ("Conv", [X, floats(4, 3, 3, 2), floats(4)], dict(kernel_shape=[3, 2], group=2, strides=[2, 1], pads=[1, 0, 2, 1])),
    ("Conv", [X, floats(5, 6, 3, 3)], dict(kernel_shape=[3, 3], dilations=[2, 1])),
    ("Conv", [floats(2, 4, 9), floats(3, 4, 3)], dict(kernel_shape=[3], pads=[1, 1])),
    ("ConvTranspose", [floats(2, 4, 9), floats(4, 3, 3)], dict(kernel_shape=[3])),
    ("ConvTranspose", [X, floats(6, 3, 3, 3)], dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 0, 1, 1], output_padding=[1, 0])),
    ("ConvTranspose", [X, floats(6, 2, 2, 3), floats(4)], dict(kernel_shape=[2, 3], group=2, dilations=[2, 1])),
    ("MaxPool", [X], WINDOW, 2),
    ("MaxPool", [np.maximum(X, 0)], dict(kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), 2),
    ("MaxPool", [X], dict(kernel_shape=[2, 2])),
    ("AveragePool", [X], WINDOW),
    ("AveragePool", [X], WINDOW | dict(count_include_pad=1)),
    ("AveragePool", [X], dict(kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
    ("BatchNormalization", [X, floats(6), floats(6), floats(6), floats(6, low=0.2)], dict(epsilon=0.01)),
    *[(op, [X], {}) for op in ("Sin", "Cos", "Erf", "Tanh", "Sigmoid", "Softplus", "Abs", "Sign", "Ceil", "Floor", "HardSwish", "Gelu", "Dropout")],
    *[(op, [X, floats(7, 9)], {}) for op in ("Max", "Min", "Greater", "Less")],
    *[(op, [np.array([1, 1, 0, 0], bool), np.array([1, 0, 1, 0], bool)], {}) for op in ("And", "Or")],
    ("Not", [np.array([1, 0], bool)], {}),
    ("Where", [X > 0, X, floats(9)], {}),
    ("Pow", [floats(3, 4, low=0.1), floats(4)], {}),
    ("Clip", [X, np.array(-0.5, np.float32), np.array(0.25, np.float32)], {}),
    ("Div", [whole(7, -7, 194), whole(2, 2, 3)], {}),
    ("Mod", [whole(5, -5, 7), whole(3, 3, -4)], {}),
    ("Range", [np.array(1, np.int64), np.array(9, np.int64), np.array(3, np.int64)], {}),
    ("Shape", [X], {}),
    ("Shape", [X], dict(start=1, end=-1)),
    ("Squeeze", [floats(1, 3, 1), whole(-1)], {}),
    ("Tile", [floats(2, 3), whole(2, 3)], {}),
    ("Slice", [X, whole(-1), whole(-99), whole(3), whole(-2)], {}),
    ("Gelu", [X], dict(approximate="tanh")),
    ("Softmax", [X], dict(axis=1)),
    ("LogSoftmax", [X], {}),
    ("Einsum", [floats(2, 3, 4), floats(2, 5, 4)], dict(equation="b i D, b j D -> b i j")),
    ("GatherElements", [floats(3, 4), whole(1, -1, 0).reshape(1, 3)], dict(axis=1)),
    ("GatherND", [floats(3, 4, 2), np.array([[0, 1], [2, 3]], np.int64)], {}),
    ("ScatterND", [floats(3, 4, 2), np.array([[0, 1], [2, 3]], np.int64), floats(2, 2)], {}),
    ("ScatterND", [floats(3, 4), np.array([[0], [0]], np.int64), floats(2, 4)], dict(reduction="add")),
    ("ReduceL2", [X, whole(1)], dict(keepdims=0)),
    ("LayerNormalization", [X, floats(9), floats(9)], dict(epsilon=0.01), 3),
    ("LayerNormalization", [X, floats(7, 9)], dict(axis=2)),
    ("InstanceNormalization", [X, floats(6), floats(6)], dict(epsilon=0.01)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_op(case):
    op, inputs, attributes, *outputs = case
    model = single(op, inputs, attributes, *outputs)
    feeds = {f"x{i}": v for i, v in enumerate(inputs)}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [o.name for o in model.graph.output]
    got = Evaluator(model)(feeds)
    for name, want in zip(names, session.run(names, feeds)):
        value = got[name].numpy()
        assert value.shape == want.shape
        assert (value.dtype == np.float64) == (want.dtype == np.float32), "floats are widened, whole numbers are not"
        np.testing.assert_allclose(value, want, rtol=2e-5, atol=2e-6)


def test_every_op_has_a_case():
    assert {case[0] for case in CASES} == set(OPS)


def test_unknown_op_is_named():
    with pytest.raises(NotImplementedError, match="Selu"):
        Evaluator(single("Selu", [X], {}))


def test_it_computes_in_float64():
    third = Evaluator(single("Div", [floats(1), floats(1)], {}))({"x0": np.float32([1]), "x1": np.float32([3])})["y0"]
    assert third.item() == 1 / 3


def single(op, inputs, attributes, outputs=1):
    """A model of one node."""
    node = helper.make_node(op, [f"x{i}" for i in range(len(inputs))], [f"y{i}" for i in range(outputs)], **attributes)
    given = [helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for i, v in enumerate(inputs)]
    graph = helper.make_graph([node], op, given, [onnx.ValueInfoProto(name=name) for name in node.output])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

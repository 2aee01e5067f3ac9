"""Writes rules.json: PyTorch's gradients of single ops, which the rules must equal.

    pip install torch
    python finetune/autodiff/testdata/make_goldens.py

Inputs and the gradient of the output come from a hash that the Go test repeats:
noise(k, shape) for input k and noise(99, shape) for the output's gradient, in 16
bits, exact in float32. PyTorch computes in float64. Kept are the op, its
attributes as ONNX writes them, constant inputs, and of each input's gradient the
norm and four projections on vectors of ±1.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F


def mix(i):
    mask = np.uint64(0xFFFFFFFF)
    h = (i.astype(np.uint64) * np.uint64(0x9E3779B1)) & mask
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x2C1B3C6D)) & mask
    h ^= h >> np.uint64(12)
    h = (h * np.uint64(0x297A2D39)) & mask
    return h ^ (h >> np.uint64(15))


def noise(k, shape, low=-1, high=1):
    count = int(np.prod(shape)) if len(shape) else 1
    v = (mix(np.arange(count) + 100003 * k) >> np.uint64(16)).astype(np.float64) / 65536
    return torch.tensor((low + (high - low) * v).reshape(shape), dtype=torch.float32).double()


def summary(gradient):
    flat = gradient.numpy().ravel()
    signs = lambda k: 1.0 - 2.0 * (mix(np.arange(flat.size) + 7919 * k) & np.uint64(1)).astype(np.float64)
    return [float(f"{v:.8g}") for v in [np.linalg.norm(flat)] + [signs(k) @ flat for k in range(4)]]


CASES = []


def case(op, shapes, function, attributes=None, constants=None, interval=(-1, 1)):
    """function(inputs) is the op in torch; constants are further ONNX inputs, by position, as [type, shape, values]."""
    inputs = [noise(k, s, *interval).requires_grad_() for k, s in enumerate(shapes)]
    y = function(*inputs)
    y.backward(noise(99, tuple(y.shape)))
    CASES.append({
        "op": op, "shapes": shapes, "attributes": attributes or {}, "constants": constants or {}, "interval": interval,
        "output": list(y.shape), "gradients": [summary(x.grad) for x in inputs],
    })


def convolutions():
    for x in ([2, 4, 9, 7], [3, 4, 17, 16]):
        for kernel, stride, pad, dilation, groups, outputs in [
            ([3, 3], [1, 1], [1, 1], [1, 1], 1, 6), ([3, 3], [2, 2], [1, 1], [1, 1], 1, 6), ([1, 1], [1, 1], [0, 0], [1, 1], 1, 6),
            ([1, 1], [2, 2], [0, 0], [1, 1], 1, 6), ([5, 3], [2, 1], [2, 0], [1, 1], 1, 3), ([3, 3], [1, 1], [2, 2], [2, 2], 1, 3),
            ([1, 7], [1, 1], [0, 3], [1, 1], 1, 3), ([3, 3], [1, 1], [1, 1], [1, 1], 2, 6), ([3, 3], [2, 2], [0, 1], [1, 1], 2, 4),
            ([3, 3], [1, 1], [1, 1], [1, 1], 4, 4), ([5, 5], [2, 2], [2, 2], [1, 1], 4, 4), ([3, 3], [1, 1], [2, 2], [2, 2], 4, 4),
            ([3, 3], [1, 1], [1, 1], [1, 1], 4, 8), ([3, 3], [3, 3], [0, 0], [1, 1], 1, 5), ([2, 2], [1, 2], [1, 0], [3, 1], 1, 5),
        ]:
            case("Conv", [x, [outputs, 4 // groups, *kernel], [outputs]],
                 lambda x, w, b: F.conv2d(x, w, b, stride, pad, dilation, groups),
                 {"kernel_shape": kernel, "strides": stride, "pads": pad * 2, "dilations": dilation, "group": groups})
        for kernel, stride, pad, outputs in [(3, 1, 1, 5), (3, 1, 1, 12), (3, 2, 1, 5), (5, 3, 2, 12), (3, 1, 3, 5)]:  # a product per tap
            case("Conv", [[x[0], 10, *x[2:]], [outputs, 10, kernel, kernel]], lambda x, w: F.conv2d(x, w, None, stride, pad),
                 {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4})
        case("Conv", [[x[0], 3, *x[2:]], [4, 3, 7, 7]], lambda x, w: F.conv2d(x, w, None, 2, 3),
             {"kernel_shape": [7, 7], "strides": [2, 2], "pads": [3] * 4})


def pools():
    for x in ([2, 3, 9, 8], [1, 2, 14, 15]):
        for kernel, stride, pad, ceil in [(3, 2, 0, 0), (3, 2, 1, 0), (3, 2, 0, 1), (3, 2, 1, 1), (2, 2, 0, 0), (2, 2, 0, 1), (3, 1, 1, 0), (5, 3, 2, 0)]:
            common = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": ceil}
            case("MaxPool", [x], lambda x: F.max_pool2d(x, kernel, stride, pad, ceil_mode=bool(ceil)), common)
            for include in (0, 1):
                case("AveragePool", [x], lambda x: F.avg_pool2d(x, kernel, stride, pad, bool(ceil), bool(include)), common | {"count_include_pad": include})
        case("GlobalAveragePool", [x], lambda x: F.adaptive_avg_pool2d(x, 1))
        case("GlobalMaxPool", [x], lambda x: F.adaptive_max_pool2d(x, 1))


def norms():
    for x in ([4, 3], [4, 3, 5, 6], [2, 8, 3, 3]):
        c = x[1]
        mean, variance = noise(7, [c]), noise(8, [c], 0.5, 1.5)
        constants = {"3": ["float", [c], mean.tolist()], "4": ["float", [c], variance.tolist()]}
        case("BatchNormalization", [x, [c], [c]], lambda x, w, b: F.batch_norm(x, mean.clone(), variance.clone(), w, b, True, 0.1, 1e-3),
             {"epsilon": 1e-3}, constants)
        case("BatchNormalization", [x, [c], [c]], lambda x, w, b: F.batch_norm(x, mean, variance, w, b, False, 0.1, 1e-3),
             {"epsilon": 1e-3, "frozen": 1}, constants)
    for x in ([2, 6, 3, 4], [3, 4, 9]):
        c = x[1]
        case("InstanceNormalization", [x, [c], [c]], lambda x, w, b: F.instance_norm(x, weight=w, bias=b, eps=1e-3), {"epsilon": 1e-3})
        case("GroupNormalization", [x, [c], [c]], lambda x, w, b: F.group_norm(x, 2, w, b, 1e-3), {"epsilon": 1e-3, "num_groups": 2})
    case("LayerNormalization", [[3, 4, 10], [10], [10]], lambda x, w, b: F.layer_norm(x, [10], w, b, 1e-6), {"epsilon": 1e-6})
    case("LayerNormalization", [[3, 4, 10], [4, 10], [4, 10]], lambda x, w, b: F.layer_norm(x, [4, 10], w, b, 1e-6), {"epsilon": 1e-6, "axis": 1})


def pointwise():
    x = [3, 4, 5]
    wide = (-4, 4)
    for op, f, attributes in [
        ("Relu", F.relu, {}), ("LeakyRelu", lambda x: F.leaky_relu(x, 0.1), {"alpha": 0.1}), ("Elu", F.elu, {}), ("Sigmoid", torch.sigmoid, {}),
        ("Tanh", torch.tanh, {}), ("Softplus", F.softplus, {}), ("HardSigmoid", F.hardsigmoid, {"alpha": 1 / 6}), ("HardSwish", F.hardswish, {}),
        ("Swish", F.silu, {}), ("Swish", lambda x: x * torch.sigmoid(1.5 * x), {"alpha": 1.5}),
        ("Gelu", F.gelu, {}), ("Gelu", lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"}), ("Erf", torch.erf, {}),
        ("Softmax", lambda x: F.softmax(x, -1), {}), ("Softmax", lambda x: F.softmax(x, 1), {"axis": 1}), ("LogSoftmax", lambda x: F.log_softmax(x, -1), {}),
        ("Sin", torch.sin, {}), ("Cos", torch.cos, {}), ("Exp", torch.exp, {}), ("Neg", torch.neg, {}), ("Abs", torch.abs, {}), ("Identity", lambda x: x * 1, {}),
    ]:
        case(op, [x], f, attributes, interval=wide)
    case("Clip", [x], F.relu6, {}, {"1": ["float", [], [0.0]], "2": ["float", [], [6.0]]}, interval=(-8, 8))
    for op, f in [("Sqrt", torch.sqrt), ("Log", torch.log), ("Reciprocal", torch.reciprocal)]:
        case(op, [x], f, interval=(0.5, 2))
    case("Pow", [x, [4, 1]], torch.pow, interval=(0.5, 2))
    for op, f in [("Add", torch.add), ("Sub", torch.sub), ("Mul", torch.mul), ("Div", torch.div), ("Max", torch.maximum), ("Min", torch.minimum)]:
        case(op, [x, [4, 1]], f, interval=(0.5, 2))
    for op, f in [("Max", torch.maximum), ("Min", torch.minimum)]:  # all values are equal
        case(op, [x, [4, 1]], f, interval=(1, 1))
    case("Sum", [x, [5], [4, 1]], lambda a, b, c: a + b + c)
    case("Where", [x, [5]], lambda a, b: torch.where(torch.tensor([True, False, True, True]).reshape(4, 1), a, b),
         {}, {"0": ["bool", [4, 1], [1, 0, 1, 1]]})


def moves():
    x = [3, 4, 5]
    case("Reshape", [x], lambda x: x.reshape(5, 12), {}, {"1": ["int64", [2], [5, 12]]})
    case("Flatten", [x], lambda x: x.flatten(1))
    case("Squeeze", [[3, 1, 4]], lambda x: x.squeeze(1), {}, {"1": ["int64", [1], [1]]})
    case("Unsqueeze", [x], lambda x: x.unsqueeze(1), {}, {"1": ["int64", [1], [1]]})
    case("Transpose", [x], lambda x: x.permute(2, 0, 1), {"perm": [2, 0, 1]})
    case("Expand", [[4, 1]], lambda x: x.expand(3, 4, 5), {}, {"1": ["int64", [3], [3, 4, 5]]})
    case("Concat", [x, [3, 2, 5]], lambda a, b: torch.cat([a, b], 1), {"axis": 1})
    case("Split", [[3, 6]], lambda x: x.split([2, 4], 1)[0] * 1, {"axis": 1}, {"1": ["int64", [2], [2, 4]]})
    case("Slice", [x], lambda x: x[:, 1:4:2, 2:], {}, {"1": ["int64", [2], [1, 2]], "2": ["int64", [2], [4, 99]], "3": ["int64", [2], [1, 2]], "4": ["int64", [2], [2, 1]]})
    case("Pad", [x], lambda x: F.pad(x, [1, 2, 0, 1]), {}, {"1": ["int64", [6], [0, 0, 1, 0, 1, 2]]})
    case("Gather", [x], lambda x: x[:, [3, 0, 3]], {"axis": 1}, {"1": ["int64", [3], [3, 0, 3]]})
    case("Gather", [x], lambda x: x[:, 2], {"axis": 1}, {"1": ["int64", [], [2]]})
    for op, f in [("ReduceSum", torch.sum), ("ReduceMean", torch.mean)]:
        case(op, [x], lambda x: f(x, (0, 2), keepdim=True), {"keepdims": 1}, {"1": ["int64", [2], [0, 2]]})
        case(op, [x], lambda x: f(x, 1), {"keepdims": 0}, {"1": ["int64", [1], [1]]})
    for op, f in [("ReduceMax", torch.amax), ("ReduceMin", torch.amin)]:
        for interval in ((-1, 1), (1, 1)):  # (1, 1): all values are equal
            case(op, [x], lambda x: f(x, (0, 2), keepdim=True), {"keepdims": 1}, {"1": ["int64", [2], [0, 2]]}, interval)
            case(op, [x], lambda x: f(x, 1), {"keepdims": 0}, {"1": ["int64", [1], [1]]}, interval)
    case("CumSum", [x], lambda x: x.cumsum(1), {}, {"1": ["int64", [], [1]]})
    case("Tile", [x], lambda x: x.repeat(2, 1, 3), {}, {"1": ["int64", [3], [2, 1, 3]]})
    case("GatherElements", [x], lambda x: x.gather(2, torch.tensor([1, 4, 1]).expand(3, 4, 3)), {"axis": 2},
         {"1": ["int64", [3, 4, 3], [1, 4, 1] * 12]})
    case("ScatterND", [x, [2, 5]], lambda x, y: x.index_put((torch.tensor([2, 0]), torch.tensor([1, 3])), y), {},
         {"1": ["int64", [2, 2], [2, 1, 0, 3]]})
    for equation, a, b in [("bij,bjk->bik", [2, 3, 4], [2, 4, 5]), ("byhwc,hkc->byhwk", [2, 2, 3, 4, 5], [3, 6, 5])]:
        case("Einsum", [a, b], lambda a, b: torch.einsum(equation, a, b), {"equation": equation})
    for mode, align in [("nearest", None), ("bilinear", False), ("bilinear", True), ("bicubic", False), ("bicubic", True)]:
        for size in ([9, 6], [2, 8]):
            case("Resize", [[2, 3, 4, 6]], lambda x: F.interpolate(x, size, mode=mode, align_corners=align),
                 {"mode": {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}[mode], "cubic_coeff_a": -0.75, "nearest_mode": "floor",
                  "coordinate_transformation_mode": "align_corners" if align else "asymmetric" if align is None else "pytorch_half_pixel"},
                 {"1": ["float", [0], []], "2": ["float", [0], []], "3": ["int64", [4], [2, 3, *size]]})
    case("Attention", [[2, 3, 4, 5], [2, 3, 6, 5], [2, 3, 6, 7]], F.scaled_dot_product_attention)
    case("ReduceSumSquare", [x], lambda x: (x * x).sum((0, 2), keepdim=True), {"keepdims": 1}, {"1": ["int64", [2], [0, 2]]})
    for interval in ((-1, 1), (0, 0)):  # (0, 0): the norm of zeros
        case("ReduceL2", [x], lambda x: x.norm(dim=1), {"keepdims": 0}, {"1": ["int64", [1], [1]]}, interval)
    for a, b in [([3, 4], [4, 5]), ([2, 3, 4], [4, 5]), ([2, 1, 3, 4], [5, 4, 2])]:
        case("MatMul", [a, b], torch.matmul)
    case("Gemm", [[3, 4], [5, 4], [5]], lambda a, b, c: 0.5 * a @ b.T + 2 * c, {"transB": 1, "alpha": 0.5, "beta": 2.0})
    case("Gemm", [[4, 3], [4, 5]], lambda a, b: a.T @ b, {"transA": 1})


if __name__ == "__main__":
    for group in (convolutions, pools, norms, pointwise, moves):
        group()
    path = pathlib.Path(__file__).parent / "rules.json"
    path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]\n")
    print(len(CASES), "cases,", path.stat().st_size, "bytes")

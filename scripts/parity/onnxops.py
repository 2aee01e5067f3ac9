"""ONNX's operators on torch tensors, as far as fx's training graphs use them.

OPS maps an op to a function of a Node and its inputs (None where one is left
out), which returns the output, or a tuple of several. Floats have one type
throughout, that of Node.dtype: a Cast to FLOAT gives it. Source: the operators' documentation, opset 20.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

OPS = {}


@dataclass(frozen=True)
class Node:
    attributes: dict
    outputs: int
    dtype: torch.dtype  # of floats

    def get(self, name, default=None):
        return self.attributes.get(name, default)


def op(function):
    OPS[function.__name__.removesuffix("_")] = function
    return function


def simple(**functions):
    """Ops that are functions of only their inputs."""
    for name, function in functions.items():
        OPS[name] = lambda node, *inputs, f=function: f(*inputs)


simple(
    Add=torch.add, Sub=torch.sub, Mul=torch.mul, Neg=torch.neg, Equal=torch.eq,
    Exp=torch.exp, Log=torch.log, Sqrt=torch.sqrt, Reciprocal=torch.reciprocal,
    Relu=torch.relu, MatMul=torch.matmul, Identity=lambda x: x, Dropout=lambda x, *_: x,
    Sin=torch.sin, Cos=torch.cos, Erf=torch.erf, Tanh=torch.tanh, Sigmoid=torch.sigmoid, Softplus=F.softplus, Abs=torch.abs,
    Sign=torch.sign, Ceil=torch.ceil, Floor=torch.floor, Pow=torch.pow, Max=torch.maximum, Min=torch.minimum,
    Where=torch.where, Greater=torch.gt, Less=torch.lt, Not=torch.logical_not, And=torch.logical_and, Or=torch.logical_or,
    HardSwish=F.hardswish, Clip=torch.clip, Tile=lambda x, repeats: x.repeat(ints(repeats)),
    Range=lambda start, end, step: torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype),
    Expand=lambda x, shape: x.expand(torch.broadcast_shapes(x.shape, tuple(shape.tolist()))),
    GlobalAveragePool=lambda x: x.mean((2, 3), keepdim=True),
)  # fmt: skip


def ints(tensor):
    return [int(v) for v in tensor.flatten()]


@op
def HardSigmoid(node, x):
    return (node.get("alpha", 0.2) * x + node.get("beta", 0.5)).clamp(0, 1)


@op
def Div(node, a, b):
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


@op
def Swish(node, x):
    return x * torch.sigmoid(node.get("alpha", 1.0) * x)


@op
def Gelu(node, x):
    return F.gelu(x, approximate=node.get("approximate", "none"))


@op
def Softmax(node, x):
    return x.softmax(node.get("axis", -1))


@op
def LogSoftmax(node, x):
    return x.log_softmax(node.get("axis", -1))


@op
def Mod(node, a, b):
    return torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b)


@op
def Einsum(node, *operands):
    """Each letter is a label; torch takes them without spaces."""
    return torch.einsum(node.get("equation").replace(" ", ""), *operands)


@op
def Cast(node, x):
    kinds = {1: node.dtype, 11: node.dtype, 6: torch.int32, 7: torch.int64, 9: torch.bool}
    return x.to(kinds[node.get("to")])


@op
def Constant(node):
    return node.get("value")


@op
def ConstantOfShape(node, shape):
    value = node.get("value", torch.zeros(1, dtype=node.dtype))
    return torch.full(ints(shape), value.item(), dtype=value.dtype)


# Shapes.


@op
def Shape(node, x):
    return torch.tensor(x.shape[node.get("start", 0) : node.get("end", x.dim())], dtype=torch.int64)


@op
def Squeeze(node, x, axes=None):
    return x.squeeze() if axes is None else x.squeeze([a % x.dim() for a in ints(axes)])


@op
def Reshape(node, x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(ints(shape))])


@op
def Flatten(node, x):
    axis = node.get("axis", 1)  # from -rank to rank
    axis += x.dim() if axis < 0 else 0
    return x.reshape(x.shape[:axis].numel(), -1)


@op
def Transpose(node, x):
    return x.permute(node.get("perm", list(reversed(range(x.dim())))))


@op
def Unsqueeze(node, x, axes):
    rank = x.dim() + axes.numel()
    for axis in sorted(a % rank for a in ints(axes)):
        x = x.unsqueeze(axis)
    return x


@op
def Concat(node, *parts):
    return torch.cat(parts, node.get("axis"))


@op
def Split(node, x, sizes=None):
    axis = node.get("axis", 0)
    if sizes is None:
        return tuple(x.split(-(-x.shape[axis] // node.outputs), axis))
    return tuple(x.split(ints(sizes), axis))


@op
def Slice(node, x, starts, ends, axes=None, steps=None):
    axes = range(x.dim()) if axes is None else ints(axes)
    steps = [1] * starts.numel() if steps is None else ints(steps)
    for axis, start, end, step in zip(axes, ints(starts), ints(ends), steps):
        taken = range(x.shape[axis])[slice(start, end, step)]  # torch has no slices with a negative step
        x = x[(slice(None),) * (axis % x.dim()) + (slice(start, end, step),)] if step > 0 else x.index_select(axis, torch.tensor(taken))
    return x


@op
def Pad(node, x, pads, value=None, axes=None):
    if node.get("mode", "constant") != "constant":
        raise NotImplementedError(f"Pad with mode {node.get('mode')}")
    axes = list(range(x.dim())) if axes is None else [a % x.dim() for a in ints(axes)]
    pads = ints(pads)
    by_axis = {axis: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)}
    widths = [n for axis in reversed(range(x.dim())) for n in by_axis.get(axis, (0, 0))]
    return F.pad(x, widths, value=0.0 if value is None else value.item())


@op
def Gather(node, x, indices):
    axis = node.get("axis", 0) % x.dim()
    picked = x.index_select(axis, indices.flatten() % x.shape[axis])
    return picked.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


@op
def GatherElements(node, x, indices):
    axis = node.get("axis", 0)
    return x.gather(axis, indices % x.shape[axis])


@op
def GatherND(node, x, indices):
    return x[tuple(indices.movedim(-1, 0))]


@op
def ScatterND(node, x, indices, updates):
    reduction = node.get("reduction", "none")
    if reduction not in ("none", "add"):
        raise NotImplementedError(f"ScatterND with reduction {reduction}")
    return x.index_put(tuple(indices.movedim(-1, 0)), updates, accumulate=reduction == "add")


@op
def ScatterElements(node, x, indices, updates):
    axis, reduction = node.get("axis", 0), node.get("reduction", "none")
    if reduction == "add":
        return x.scatter_add(axis, indices, updates)
    if reduction != "none":
        raise NotImplementedError(f"ScatterElements with reduction {reduction}")
    return x.scatter(axis, indices, updates)


@op
def SpaceToDepth(node, x):
    block = node.get("blocksize")
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)
    return x.reshape(n, c * block * block, h // block, w // block)


# Sums.


def reduction(function):
    def reduce(node, x, axes=None):
        axes = list(range(x.dim())) if axes is None else ints(axes)
        return function(x, axes, keepdim=bool(node.get("keepdims", 1)))

    return reduce


OPS["ReduceSum"] = reduction(torch.sum)
OPS["ReduceMean"] = reduction(torch.mean)
OPS["ReduceMax"] = reduction(torch.amax)
OPS["ReduceL2"] = reduction(lambda x, axes, keepdim: (x * x).sum(axes, keepdim=keepdim).sqrt())
OPS["ReduceSumSquare"] = reduction(lambda x, axes, keepdim: (x * x).sum(axes, keepdim=keepdim))


@op
def ArgMax(node, x):
    return x.argmax(node.get("axis", 0), keepdim=bool(node.get("keepdims", 1)))


@op
def Gemm(node, a, b, c=None):
    a = a.T if node.get("transA", 0) else a
    b = b.T if node.get("transB", 0) else b
    product = node.get("alpha", 1.0) * (a @ b)
    return product if c is None else product + node.get("beta", 1.0) * c


# Windows.


def symmetric(node, rank=2):
    """The padding of each axis, which torch wants the same on both sides."""
    pads = node.get("pads", [0] * 2 * rank)
    if pads[:rank] != pads[rank:] or node.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NotImplementedError(f"padding {pads}, auto_pad {node.get('auto_pad')}")
    return pads[:rank]


@op
def Conv(node, x, weight, bias=None):
    rank = x.dim() - 2
    pads = node.get("pads", [0] * 2 * rank)
    x = F.pad(x, [n for axis in reversed(range(rank)) for n in (pads[axis], pads[axis + rank])])
    convolution = F.conv1d if rank == 1 else F.conv2d
    return convolution(x, weight, bias, node.get("strides", [1] * rank), 0, node.get("dilations", [1] * rank), node.get("group", 1))


@op
def ConvTranspose(node, x, weight, bias=None):
    rank = x.dim() - 2
    pads, extra = node.get("pads", [0] * 2 * rank), node.get("output_padding", [0] * rank)
    convolution = F.conv_transpose1d if rank == 1 else F.conv_transpose2d
    whole = convolution(
        x, weight, bias, node.get("strides", [1] * rank), groups=node.get("group", 1), dilation=node.get("dilations", [1] * rank)
    )
    return F.pad(whole, [n for axis in reversed(range(rank)) for n in (-pads[axis], extra[axis] - pads[axis + rank])])


@op
def MaxPool(node, x):
    """The maxima and, if asked for, their indices in the whole tensor; the first of equals."""
    kernel = node.get("kernel_shape")
    values, places = F.max_pool2d_with_indices(
        x, kernel, node.get("strides", [1] * len(kernel)), symmetric(node), node.get("dilations", [1] * len(kernel)),
        bool(node.get("ceil_mode", 0)),
    )  # fmt: skip
    if node.outputs == 1:
        return values
    maps = torch.arange(x.shape[0] * x.shape[1]).reshape(x.shape[0], x.shape[1], 1, 1)
    return values, places + maps * (x.shape[2] * x.shape[3])


@op
def AveragePool(node, x):
    kernel = node.get("kernel_shape")
    return F.avg_pool2d(
        x, kernel, node.get("strides", [1] * len(kernel)), symmetric(node),
        bool(node.get("ceil_mode", 0)), bool(node.get("count_include_pad", 0)),
    )  # fmt: skip


@op
def BatchNormalization(node, x, scale, bias, mean, variance):
    if node.get("training_mode", 0):
        raise NotImplementedError("BatchNormalization with training_mode")
    return F.batch_norm(x, mean, variance, scale, bias, training=False, eps=node.get("epsilon", 1e-5))


@op
def LayerNormalization(node, x, scale, bias=None):
    """The normalised values, and of each sample the mean and 1/√(variance + ε)."""
    axes = list(range(node.get("axis", -1) % x.dim(), x.dim()))
    mean = x.mean(axes, keepdim=True)
    inverse = ((x - mean).square().mean(axes, keepdim=True) + node.get("epsilon", 1e-5)).rsqrt()
    y = (x - mean) * inverse * scale
    return (y if bias is None else y + bias, mean, inverse)[: node.outputs]


@op
def InstanceNormalization(node, x, scale, bias):
    return F.instance_norm(x, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))

"""Ops that torch.onnx would export in a form from which their gradient cannot be read.

Stochastic depth draws random numbers in torch's own export. Here it is a Dropout of ones, one for each sample:

    x · Dropout(ones [batch, 1, …, 1])

so that fx draws the mask, and an inference graph leaves the product out (graph.to_inference).

max(dim) and min(dim) pick one of equal extremes, while amax and amin share the gradient among them. torch exports all
four as ReduceMax and ReduceMin. Here the first two are ArgMax or ArgMin and a GatherElements.
"""

import functools

import torch
from torch.onnx import symbolic_helper

# What torchvision, timm and others call stochastic depth, and its probability of a zero.
DEPTHS = {"StochasticDepth": "p", "DropPath": "drop_prob"}


def mark(model, opset):
    """Give model's modules and torch's exporter these forms. Nothing else changes."""
    for module in model.modules():
        if type(module).__name__ in DEPTHS:
            module.forward = functools.partial(_forward, module)
    for name, extreme in (("max", "Max"), ("min", "Min")):
        torch.onnx.register_custom_op_symbolic(f"aten::{name}", functools.partial(_extreme, extreme), opset)


def _forward(module, x):
    drop = getattr(module, DEPTHS[type(module).__name__])
    if not torch.onnx.is_in_onnx_export():
        return type(module).forward(module, x)
    if not module.training or not drop:
        return x
    if getattr(module, "mode", "row") != "row" or not getattr(module, "scale_by_keep", True):
        raise ValueError("stochastic depth other than by sample, divided by the share that stays, has no form in ONNX here")
    return _Depth.apply(x, drop)


class _Depth(torch.autograd.Function):
    @staticmethod
    def forward(_, x, drop):
        return x.clone()

    @staticmethod
    def symbolic(g, x, drop):
        ones = [1] * (x.type().dim() - 1)
        shape = g.op("Concat", g.op("Shape", x, end_i=1), g.op("Constant", value_t=torch.tensor(ones)), axis_i=0)
        kept = g.op("ConstantOfShape", shape, value_t=torch.ones(1))
        ratio, training = g.op("Constant", value_t=torch.tensor(drop)), g.op("Constant", value_t=torch.tensor(True))
        return g.op("Mul", x, g.op("Dropout", kept, ratio, training)).setType(x.type())


def _extreme(extreme, g, x, dim_or_other=None, keepdim=None):
    if dim_or_other is None:
        return g.op("Reduce" + extreme, x, keepdims_i=0)
    if keepdim is None:
        return g.op(extreme, x, dim_or_other)
    axis, keep = symbolic_helper._get_const(dim_or_other, "i", "dim"), symbolic_helper._get_const(keepdim, "i", "keepdim")
    indices = g.op("Arg" + extreme, x, axis_i=axis, keepdims_i=1)
    values = g.op("GatherElements", x, indices, axis_i=axis)
    if keep:
        return values, indices
    axes = g.op("Constant", value_t=torch.tensor([axis]))
    return g.op("Squeeze", values, axes), g.op("Squeeze", indices, axes)

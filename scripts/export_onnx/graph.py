"""A torch module's graph as a plain ONNX model: stable names, any batch size."""

import contextlib
import io
import os
import sys
import warnings

import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

import trainable

# The newest that torch.onnx.export(dynamo=False) writes. ONNX Runtime supports it
# since 1.17, so 1.24 and later do.
OPSET = 20
FORMAT = "1"  # fx.format: the meaning of names and metadata below


def trace(model, size, outputs=("logits",), training=True):
    """Return model as an ONNX graph whose parameters have no data yet.

    The input is "input", float32 [batch, 3, size, size]; each output is float32
    [batch, ...] under the name given. training=True keeps BatchNormalization
    with training_mode=1, Dropout and stochastic depth (trainable.py); either way nothing is folded or fused.
    Parameters and buffers stay graph inputs under their names in the module.
    """
    file = io.BytesIO()
    with unchanged(model), warnings.catch_warnings(), torch.no_grad(), quiet_stdout(), plain_is_causal():
        warnings.simplefilter("ignore")  # deprecations of the exporter that we pin
        model.train(training)
        trainable.mark(model, OPSET)
        torch.onnx.export(
            model,
            (torch.zeros(2, 3, size, size),),
            file,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            export_params=False,
            keep_initializers_as_inputs=True,  # without it, equal tensors would become one
            opset_version=OPSET,
            input_names=["input"],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in ("input", *outputs)},
        )
    traced = onnx.load_from_string(file.getvalue())
    set_conv_pads(traced.graph, getattr(model, "conv_pads", {}))
    return tidy(traced)


@contextlib.contextmanager
def unchanged(model):
    """Put back model's tensors and mode at the end, also after an error: a run in training mode moves running statistics."""
    tensors = [(tensor, tensor.detach().clone()) for tensor in (*model.parameters(), *model.buffers())]
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in tensors:
                tensor.copy_(value)
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def plain_is_causal():
    """Let attention take the is_causal of EVA and DINOv3: a module's keyword arguments are tensors in a trace."""
    attention = torch.nn.functional.scaled_dot_product_attention

    def call(*arguments, **options):
        if "is_causal" in options:
            options["is_causal"] = bool(options["is_causal"])
        return attention(*arguments, **options)

    torch.nn.functional.scaled_dot_product_attention = call
    try:
        yield
    finally:
        torch.nn.functional.scaled_dot_product_attention = attention


@contextlib.contextmanager
def quiet_stdout():
    """Discard what C++ and Python write to stdout: after an error, torch prints the whole graph there."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def set_conv_pads(graph, pads):
    """Give the convolutions with these weights the pads [top, left, bottom, right]."""
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in pads:
            [attribute] = [a for a in node.attribute if a.name == "pads"]
            attribute.ints[:] = pads[node.input[1]]


def tidy(model):
    """Remove what differs between machines and runs, and name the batch dimension."""
    graph = model.graph
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    del model.metadata_props[:]
    graph.name, graph.doc_string = "main", ""
    del graph.value_info[:]
    for node in graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for value in [graph.input[0], *graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
        value.doc_string = ""
    return model


def tensors_of(model):
    """All parameters and buffers by name, the state dict's first and in its order."""
    tensors = dict(model.state_dict())
    for name, tensor in (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)):
        tensors.setdefault(name, tensor)
    return {name: tensor.detach() for name, tensor in tensors.items()}


def fill(traced, model, data=True):
    """Turn the graph inputs that are model's tensors into initializers, in order.

    With data=False a parameter or running statistic keeps its type and
    dimensions alone: a skeleton. Other constants keep their data always.
    """
    graph = traced.graph
    wanted = {value.name for value in graph.input[1:]}
    used = {name for node in graph.node for name in node.input}
    tensors, skeletal = tensors_of(model), set() if data else set(model.state_dict()) - constants(model)
    unknown = (wanted & used) - set(tensors)
    if unknown:
        raise ValueError(f"the traced graph uses {sorted(unknown)}, which are no parameters of the network")
    del graph.input[1:]
    for name, tensor in tensors.items():
        if name not in wanted or name not in used:
            continue
        initializer = numpy_helper.from_array(tensor.cpu().contiguous().numpy(), name)
        if name in skeletal:
            initializer.ClearField("raw_data")
        graph.initializer.append(initializer)
    return traced


def constants(model):
    """The buffers that no weights file changes: all but running statistics."""
    names = {name for name, _ in model.named_buffers(remove_duplicate=False)}
    return {name for name in names if not name.endswith(("running_mean", "running_var"))}


def buffers(filled, model):
    """The initializers that no optimizer would update, running statistics apart: fx leaves them alone."""
    names = {name for name, _ in model.named_buffers(remove_duplicate=False)}
    statistics = {name for node in filled.graph.node if node.op_type == "BatchNormalization" for name in node.input[3:5]}
    return [t.name for t in filled.graph.initializer if t.name in names - statistics]


def set_metadata(model, entries):
    del model.metadata_props[:]
    helper.set_model_props(model, dict(sorted(entries.items())))


def to_inference(model):
    """Return a copy that evaluates: running statistics, no dropout, first output only.

    The same conversion as Assemble's and FromFile's in fx's package backbones.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph, renamed, kept = copy.graph, {}, []
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        depth = stochastic_depth(node, producers)
        node.input[:] = [renamed.get(name, name) for name in node.input]
        if node.op_type == "Dropout" and node.output[0] == graph.output[0].name:
            node = helper.make_node("Identity", node.input[:1], node.output[:1])
        if node.op_type == "Dropout" or depth:
            renamed[node.output[0]] = node.input[0]
            continue
        if node.op_type == "BatchNormalization":
            kept_attributes = [a for a in node.attribute if a.name != "training_mode"]
            del node.attribute[:], node.output[1:]
            node.attribute.extend(kept_attributes)
        kept.append(node)
    del graph.node[:], graph.output[1:]
    graph.node.extend(kept)
    return prune(copy)


def stochastic_depth(node, producers):
    """Whether the node is the product of trainable.py: by a Dropout of ones."""
    mask = producers.get(node.input[1]) if node.op_type == "Mul" else None
    ones = producers.get(mask.input[0]) if mask is not None and mask.op_type == "Dropout" else None
    return ones is not None and ones.op_type == "ConstantOfShape"


def prune(model):
    """Drop nodes and initializers that the outputs do not need."""
    graph, needed, kept = model.graph, {value.name for value in model.graph.output}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(reversed(kept))
    used = [t for t in graph.initializer if t.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(used)
    return model


def serialize(model):
    return model.SerializeToString(deterministic=True)

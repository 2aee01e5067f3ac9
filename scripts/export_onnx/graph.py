"""A torch module's graph as a plain ONNX model: stable names, any batch size."""

import contextlib
import io
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
    was_training = model.training
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train(training)
    trainable.mark(model, OPSET)
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        # Deprecations of the exporter that we pin; on an error it prints its whole graph.
        warnings.simplefilter("ignore")
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
    model.load_state_dict(state)  # tracing in training mode moves running statistics
    model.train(was_training)
    traced = onnx.load_from_string(file.getvalue())
    set_conv_pads(traced.graph, getattr(model, "conv_pads", {}))
    return tidy(traced)


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

    With data=False a tensor of the state dict keeps its type and dimensions
    alone: a skeleton. Other constants keep their data always.
    """
    graph = traced.graph
    wanted = {value.name for value in graph.input[1:]}
    used = {name for node in graph.node for name in node.input}
    tensors, skeletal = tensors_of(model), set() if data else set(model.state_dict())
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

"""Exports a user's own network with its weights, and verifies the file."""

import json
import os

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

import graph
import head as heads
from failure import Failure

TOLERANCE = 1e-4  # relative L2 of the logits: float32 sums in another order
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}


def export(source, spec, out, features=None):
    """Write source's network to out; returns what it is as a dictionary for JSON.

    The graph is the one of training where that can be: BatchNormalization with
    training_mode=1 and Dropout stay, and fx turns them to inference. Else it
    is the graph of evaluation, and a note says why.
    """
    model, size, notes = source.model.float(), spec["crop"], list(source.notes)
    still_blocks(model, notes)
    torch.backends.mha.set_fastpath_enabled(False)  # it has no ONNX form
    reference = evaluate(model, size)
    try:
        traced, mode = build(model, size, True, reference), "training"
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        notes.append(f"exported as it evaluates, since its training graph cannot be ({reason}): it cannot be finetuned from this file")
        try:
            traced, mode = build(model, size, False, reference), "evaluation"
        except Failure:
            raise
        except Exception as error:
            raise Failure(f"torch cannot export this network: {' '.join(str(error).split())[:600]}", code=4) from error
    inference = graph.to_inference(traced)
    tensor, shape, head = locate(traced, inference, features, size)
    if head is None:
        notes.append(f"no known classifier behind {tensor}: fx trains a head of its own on the features")
    metadata = {
        "fx.format": graph.FORMAT,
        "fx.backbone": source.name,
        "fx.weights": source.weights,
        "fx.preprocess": compact(spec),
        "fx.features": tensor,
    }
    if head is not None:
        metadata["fx.head"] = compact(head)
    if buffers := graph.buffers(traced, model):
        metadata["fx.buffers"] = compact(buffers)
    graph.set_metadata(traced, metadata)
    traced.graph.value_info.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["batch", *shape]))
    write(traced, out)
    return {
        "file": out, "backbone": source.name, "weights": source.weights, "mode": mode, "preprocess": spec,
        "features": tensor, "feature_shape": list(shape), "head": head,
        "parameters": sum(p.numel() for p in model.parameters()), "notes": notes,
    }  # fmt: skip


def still_blocks(model, notes):
    """Turn off DropBlock: it draws random numbers in the graph."""
    found = [m for m in model.modules() if type(m).__name__ == "DropBlock2d" and m.drop_prob]
    for module in found:
        module.drop_prob = 0.0
    if found:
        notes.append(f"DropBlock is off in the graph ({len(found)} places)")


def probe(size):
    return torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0)) * 4 - 2


def evaluate(model, size):
    """The network's own logits, in evaluation mode, for three images."""
    model.eval()
    try:
        with torch.no_grad():
            out = model(probe(size))
    except Exception as error:
        raise Failure(f"the network does not run on float32 [3, 3, {size}, {size}]: {error}. --size gives its input's side.") from error
    return first(out).numpy()


def first(out):
    if isinstance(out, dict):
        out = next(iter(out.values()))
    while isinstance(out, (tuple, list)):
        out = out[0]
    if not isinstance(out, torch.Tensor):
        raise Failure(f"the network returns {type(out).__name__}, where a tensor of logits is expected")
    return out


def output_names(model, size, training):
    """"logits", and names for what a network returns beside it in training."""
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.train(training)
    with torch.no_grad():
        out = model(torch.zeros(2, 3, size, size))
    model.load_state_dict(state)
    count = len(out) if isinstance(out, (tuple, list)) else 1
    return ["logits", *(f"aux_logits{i or ''}" for i in range(count - 1))]


def build(model, size, training, reference):
    """Trace, fill in the weights, and compare with the network itself."""
    traced = graph.trace(model, size, output_names(model, size, training), training)
    graph.fill(traced, model)
    random = sorted({n.op_type for n in traced.graph.node} & RANDOM)
    if random:
        raise Failure(f"the graph draws random numbers ({', '.join(random)})", code=4)
    if traced.ByteSize() >= 2**31:
        raise Failure("the file would have more than 2 GiB, which an ONNX file cannot hold", code=4)
    inference = graph.to_inference(traced)
    onnx.checker.check_model(inference)
    images = probe(size).numpy()
    for batch in (3, 1):
        try:
            [logits] = run(inference, images[:batch])
        except Exception as error:
            raise Failure(f"ONNX Runtime cannot run the exported graph with {batch} images: {error}. Where forward "
                          "computes with the batch size, let it use x.flatten(1) or x.shape[0].", code=4) from error
        distance = np.linalg.norm(logits - reference[:batch]) / max(np.linalg.norm(reference[:batch]), 1e-30)
        if logits.shape != reference[:batch].shape or not distance <= TOLERANCE:
            raise Failure(f"the exported graph differs from the network: {distance:.1e} relative L2 with {batch} images", code=4)
    return traced


def run(model, images, output=None):
    import onnxruntime

    if output is not None:
        model = with_output(model, output)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph.serialize(model), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": images})


def with_output(model, name):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.output[:]
    copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return graph.prune(copy)


def locate(traced, inference, features, size):
    """The feature tensor, its shape for one image, and the head as fx.head has it or None."""
    found = heads.find(inference.graph)
    known = {name for node in inference.graph.node for name in node.output}
    if features and features not in known:
        last = [name for node in inference.graph.node[-6:] for name in node.output]
        raise Failure(f"--features {features}: the graph has no such tensor; its last ones are {', '.join(last)}")
    if not features and found is None:
        last = [name for node in inference.graph.node[-6:] for name in node.output]
        raise Failure(f"the network does not end in a known classifier: name the tensor to take the features from with "
                      f"--features; the last ones are {', '.join(last)}")
    tensor = features or found.features
    [value] = run(inference, probe(size).numpy(), tensor)
    shape = value.shape[1:]
    if len(value) != 3 or len(shape) not in (1, 3):
        raise Failure(f"the tensor {tensor} has shape {list(value.shape)} for 3 images; fx takes features of shape "
                      "[3, n] or [3, channels, height, width]: name another with --features")
    if found is None or found.features != tensor:
        return tensor, shape, None
    if found.kind == "linear" and int(np.prod(shape)) != found.channels:
        return tensor, shape, None
    spatial = list(shape[1:]) if found.kind == "conv1x1" else [0, 0]
    return tensor, shape, {
        "kind": found.kind, "in": found.channels, "spatial": spatial, "weight": found.weight, "bias": found.bias,
        "dropout": heads.dropout(traced.graph, found), "classes": found.classes,
    }  # fmt: skip


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def write(model, path):
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise Failure(f"--out {path}: there is no folder {folder}")
    temporary = path + ".tmp"
    with open(temporary, "wb") as f:
        f.write(graph.serialize(model))
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)

"""Exports a user's own network with its weights, and verifies the file."""

import contextlib
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

    The graph is the training graph if possible: BatchNormalization has
    training_mode=1 and Dropout stays; fx converts both to inference. Otherwise
    it is the evaluation graph, and a note gives the reason.
    """
    model, size, notes = source.model.float(), spec["crop"], list(source.notes)
    still_blocks(model, notes)
    torch.backends.mha.set_fastpath_enabled(False)  # it has no ONNX form
    run_model(model, noise(size))
    try:
        traced, mode = build(model, size, True, notes), "training"
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        try:
            traced, mode = build(model, size, False, notes), "evaluation"
        except Failure:
            raise
        except Exception as error:
            raise Failure(f"torch cannot export this network: {' '.join(str(error).split())[:600]}", code=4) from error
        notes.append(f"exported as it evaluates, without dropout, since its training graph cannot be exported ({reason})")
    inference = graph.to_inference(traced)
    output = traced.graph.output[0].name
    tensor, shape, head = locate(traced, inference, features or source.headless and output, size)
    if source.headless and not features:
        notes.append("the network has no classifier: its output is the features, on which fx trains a head")
    elif head is None:
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


def noise(size):
    return torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0)) * 4 - 2


def smooth(size):
    """Images of low frequencies and weak colours, as photos are."""
    images = torch.nn.functional.interpolate(noise(4), size=(size, size), mode="bicubic")
    return 0.8 * images.mean(1, keepdim=True) + 0.2 * images


def run_model(model, images):
    """The network's own logits, in evaluation mode."""
    model.eval()
    try:
        with torch.no_grad():
            return first(model(images)).numpy()
    except Failure:
        raise
    except Exception as error:
        raise Failure(f"the network does not run on float32 {list(images.shape)}: {error}. --size gives its input's side; without it, that is the network's own.") from error


def first(out):
    if isinstance(out, dict):
        out = next(iter(out.values()))
    while isinstance(out, (tuple, list)):
        out = out[0]
    if not isinstance(out, torch.Tensor):
        raise Failure(f"the network returns {type(out).__name__}, where a tensor of logits is expected")
    return out


@contextlib.contextmanager
def logits_only(model):
    """Let model return its logits alone: fx does not train auxiliary classifiers of users' files."""
    forward = model.forward
    model.forward = lambda images: first(forward(images))
    try:
        yield
    finally:
        model.forward = forward


def build(model, size, training, notes):
    """Trace, fill in the weights, and compare with the network itself."""
    with logits_only(model):
        traced = graph.trace(model, size, training=training)
    graph.fill(traced, model)
    merged = heads.merge(traced)
    random = sorted({n.op_type for n in traced.graph.node} & RANDOM)
    if random:
        raise Failure(f"the graph draws random numbers ({', '.join(random)})", code=4)
    if traced.ByteSize() >= 2**31:
        raise Failure("the file would have more than 2 GiB, which an ONNX file cannot hold", code=4)
    inference = graph.to_inference(traced)
    onnx.checker.check_model(inference)
    verify(inference, model, size)
    if merged:
        notes.append("the network averages two classifiers: the file has one with the same logits")
    return traced


def verify(inference, model, size):
    """Compare the logits of the exported graph with the network's, for three images and for one.

    Noise drives the attention of some networks, such as LeViT's, so far that
    their own float32 is wrong. They are compared on smooth images.
    """
    for images in (noise(size), smooth(size)):
        reference = run_model(model, images)
        worst = max(distance(exported(inference, images[:n].numpy()), reference[:n]) for n in (3, 1))
        if worst <= TOLERANCE:
            return
        exact = run_model(model.double(), images.double())
        model.float()  # the same values: float64 holds each float32
        rounding = distance(reference, exact)
        if rounding <= TOLERANCE / 4:
            break
    raise Failure(f"the exported graph differs from the network: {worst:.1e} relative L2; the network's own "
                  f"float32 differs from its float64 by {rounding:.1e}", code=4)  # fmt: skip


def exported(inference, images):
    try:
        [logits] = run(inference, images)
        return logits
    except Exception as error:
        raise Failure(f"ONNX Runtime cannot run the exported graph with {len(images)} images: {error}. Where forward "
                      "computes with the batch size, let it use x.flatten(1) or x.shape[0].", code=4) from error  # fmt: skip


def distance(logits, reference):
    """Relative L2; infinite where the shapes differ or values are NaN."""
    if logits.shape != reference.shape:
        return float("inf")
    relative = np.linalg.norm(logits - reference) / max(np.linalg.norm(reference), 1e-30)
    return relative if relative >= 0 else float("inf")


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
    last = ", ".join(name for node in inference.graph.node[-6:] for name in node.output)
    if features and features not in known:
        raise Failure(f"--features {features}: the graph has no such tensor; its last ones are {last}")
    if not features and found is None:
        output = inference.graph.output[0].name
        [value] = run(inference, noise(size).numpy())
        raise Failure(f"the network does not end in a known classifier: name the tensor to take the features from with "
                      f"--features; --features {output} takes its output, {list(value.shape[1:])} values; the last tensors are {last}")
    features = features and heads.undropped(traced.graph, features)
    tensor = features or found.features
    [value] = run(inference, noise(size).numpy(), tensor)
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

"""The registry's skeletons: training graphs without weights, and the rows of registry.json."""

import gzip
import os

import torch

import graph
import networks
import registry
from failure import Failure


def skeleton(network):
    """Return the graph of a row of registry.json, and the module it came from."""
    model = networks.build(network)
    torch.backends.mha.set_fastpath_enabled(False)  # it has no ONNX form
    traced = graph.trace(model, networks.size(network), registry.outputs(network))
    graph.fill(traced, model, data=False)
    graph.set_metadata(traced, {"fx.format": graph.FORMAT, "fx.backbone": network["name"]})
    check_names(traced, model)
    return traced, model


def check_names(traced, model):
    """Every tensor of the state dict has an initializer of its name, and none else.

    Buffers that are integers (swin's relative_position_index) may be constants instead.
    """
    have = {t.name for t in traced.graph.initializer}
    state = {n: t for n, t in model.state_dict().items() if not n.endswith("num_batches_tracked")}
    missing = {n for n in state if n not in have and state[n].is_floating_point()}
    if missing or have - set(state):
        raise ValueError(f"missing {sorted(missing)}, extra {sorted(have - set(state))}")


def read(path):
    """The bytes of a skeleton."""
    with gzip.open(path) as f:
        return f.read()


def compress(data):
    return gzip.compress(data, 9, mtime=0)


def write(names, folder):
    """Write NAME.onnx.gz for each name, all registered ones where there are none, and fill their rows.

    Yields name, path and size.
    """
    table = registry.read()
    rows = {network["name"]: network for network in table["networks"]}
    unknown = [name for name in names if name not in rows]
    if unknown:
        raise Failure(f"backbones/registry.json has no row for {', '.join(unknown)}")
    os.makedirs(folder, exist_ok=True)
    for name in names or rows:
        network = rows[name]
        network["weights"] = [registry.weights(network, w) for w in network["weights"]]
        traced, model = skeleton(network)
        rows[name] = registry.fill(network, model, graph.to_inference(traced), traced)
        data = compress(graph.serialize(traced))
        path = os.path.join(folder, name + ".onnx.gz")
        with open(path + ".tmp", "wb") as f:
            f.write(data)
        os.replace(path + ".tmp", path)
        yield name, path, len(data)
        registry.write(table | {"networks": [rows[network["name"]] for network in table["networks"]]})

"""The registry's skeletons: training graphs without weights."""

import os

import graph
from failure import Failure
import networks


def skeleton(name):
    """Return the graph of the registered network, and the module it came from."""
    network = networks.network(name)
    model = network.build()
    traced = graph.trace(model, network.size, network.outputs)
    graph.fill(traced, model, data=False)
    graph.set_metadata(traced, {"fx.format": graph.FORMAT, "fx.backbone": name})
    check_names(traced, model)
    return traced, model


def check_names(traced, model):
    """Every tensor of the state dict has an initializer of its name, and none else."""
    have = {t.name for t in traced.graph.initializer}
    want = {n for n in model.state_dict() if not n.endswith("num_batches_tracked")}
    if have != want:
        raise ValueError(f"missing {sorted(want - have)}, extra {sorted(have - want)}")


def write(names, folder):
    """Write NAME.onnx for each name, all registered ones where there are none; yields name, path and size."""
    unknown = [name for name in names if networks.network(name) is None]
    if unknown:
        raise Failure(f"torchvision has no network {', '.join(unknown)}: add what builds it to networks.py")
    os.makedirs(folder, exist_ok=True)
    for name in names or networks.registered():
        data = graph.serialize(skeleton(name)[0])
        path = os.path.join(folder, name + ".onnx")
        with open(path + ".tmp", "wb") as f:
            f.write(data)
        os.replace(path + ".tmp", path)
        yield name, path, len(data)

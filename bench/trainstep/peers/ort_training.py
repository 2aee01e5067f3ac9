"""Measures a step of onnxruntime-training's on-device API, whose last version is 1.19.2.

With --generate it writes the artifacts of a step from an exported network
instead. Its SGD has no momentum, which spares it a pass over the parameters.
"""

import importlib.util
import sys
import types

import numpy as np
import onnxruntime
from onnxruntime.capi import _pybind_state

import measurement


def without_torch():
    """Make onnxruntime.training's modules importable. Its own __init__ imports torch, of which training on the device has no need."""
    package = types.ModuleType("onnxruntime.training")
    package.__path__ = [str(importlib.util.find_spec("onnxruntime").submodule_search_locations[0]) + "/training"]
    sys.modules["onnxruntime.training"] = package


def generate(exported, folder):
    import onnx
    from onnxruntime.training import artifacts

    model = onnx.load(exported)
    learned = next(p.value for p in model.metadata_props if p.key == "parameters").split("\n")
    frozen = [i.name for i in model.graph.initializer if i.name not in learned]
    artifacts.generate_artifacts(
        model, requires_grad=learned, frozen_params=frozen, optimizer=artifacts.OptimType.SGD, artifact_directory=folder,
    )


def stepper(o, folder):
    from onnxruntime.training.api import CheckpointState, Module, Optimizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = o.threads
    state = CheckpointState.load_checkpoint(f"{folder}/checkpoint")
    module = Module(f"{folder}/training_model.onnx", state, session_options=options)
    optimizer = Optimizer(f"{folder}/optimizer_model.onnx", module)
    optimizer.set_learning_rate(0.001)
    size = measurement.size(o)
    images = np.random.default_rng(0).standard_normal((o.batch_size, 3, size, size), dtype=np.float32)
    labels = np.arange(o.batch_size) % o.classes
    module.train()

    def step():
        loss = module(images, labels)
        optimizer.step()
        module.lazy_reset_grad()
        return loss

    return step


def main():
    parser = measurement.parser(__doc__)
    parser.add_argument("--generate", metavar="FILE.onnx", help="write the artifacts of this network")
    parser.add_argument("--artifacts", required=True, metavar="FOLDER")
    o = parser.parse_args()
    without_torch()
    if o.generate:
        generate(o.generate, o.artifacts)
    else:
        measurement.run(o, stepper(o, o.artifacts), {"onnxruntime-training-cpu": onnxruntime.__version__}, note="SGD without momentum")


if __name__ == "__main__":
    main()

"""Measures a step of onnxsim's compile_training_loop."""

import os
import sys

import onnx

import measurement


def main():
    parser = measurement.parser(__doc__)
    parser.add_argument("--model", required=True, metavar="FILE.onnx", help="the network, from export.py --form plain")
    o = parser.parse_args()

    import numpy as np
    import onnxruntime
    import onnxsim

    limit_threads(onnxruntime, o.threads)
    model = onnx.load(o.model)
    learned = next(p.value for p in model.metadata_props if p.key == "parameters").split("\n")
    loop = onnxsim.compile_training_loop(model, "loss", learned, optimizer="sgd_momentum")
    size = measurement.size(o)
    feeds = {
        "images": np.random.default_rng(0).standard_normal((o.batch_size, 3, size, size), dtype=np.float32),
        "labels": np.eye(o.classes, dtype=np.float32)[np.arange(o.batch_size) % o.classes],
    }
    measurement.run(
        o, lambda: loop(feeds, lr=0.001), {"onnxsim": onnxsim.__version__, "onnxruntime": onnxruntime.__version__},
        note="batch normalization and dropout as in inference",
    )


def limit_threads(onnxruntime, threads):
    """onnxsim opens its session itself and leaves the number of threads to onnxruntime."""
    options = onnxruntime.SessionOptions

    def limited():
        o = options()
        o.intra_op_num_threads = threads
        return o

    onnxruntime.SessionOptions = limited


if __name__ == "__main__":
    main()

"""Caches embeddings with ONNX Runtime from Python: Pillow and numpy prepare the photos, in a pool of threads.

--cut FILE.onnx writes the graph that it runs from the one that `fx backbones save` writes.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import time

import numpy as np
import onnxruntime
from PIL import Image

import photos

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}  # torchvision's IMG_EXTENSIONS


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", required=True, help="the graph up to the features")
    p.add_argument("--cut", metavar="FILE.onnx", help="write --model, from this network of fx")
    p.add_argument("--data", help="folder of photos")
    p.add_argument("--out", help="the .npy to write")
    p.add_argument("--threads", type=int, default=0, help="of ONNX Runtime and of the decoders; 0 for its own choice")
    p.add_argument("--batch-size", type=int, default=8)
    o = p.parse_args()
    if o.cut:
        cut(o.cut, o.model)
        return
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = o.threads
    session = onnxruntime.InferenceSession(o.model, options, providers=["CPUExecutionProvider"])
    spec = json.loads(session.get_modelmeta().custom_metadata_map["fx.preprocess"])
    paths = sorted(str(p) for p in pathlib.Path(o.data).rglob("*") if p.suffix.lower() in SUFFIXES)
    [given] = session.get_inputs()
    started = time.perf_counter()
    out = photos.Embeddings(o.out, o.data, paths)
    for batch in batches(paths, Preprocess(spec), o.batch_size, o.threads or os.cpu_count()):
        out.write(session.run(None, {given.name: batch})[0])
    out.close()
    photos.report(len(paths), started)


class Preprocess:
    """float32 [3, crop, crop] of a photo, as torchvision's Resize, CenterCrop, ToTensor and Normalize make it."""

    def __init__(self, spec):
        self.resize, self.crop, self.squash = spec["resize"], spec["crop"], spec.get("mode") == "squash"
        self.filter = Image.Resampling[spec["interpolation"].upper()]
        mean, std = np.float32(spec["mean"]), np.float32(spec["std"])
        self.scale, self.shift = 1 / (255 * std), -mean / std

    def __call__(self, path):
        with Image.open(path) as photo:
            photo = photo.convert("RGB")
        width, height = photo.size
        if self.squash:
            fitted = self.resize, self.resize
        elif width <= height:
            fitted = self.resize, int(self.resize * height / width)
        else:
            fitted = int(self.resize * width / height), self.resize
        photo = photo.resize(fitted, self.filter)
        left, top = (int(round((side - self.crop) / 2)) for side in fitted)
        pixels = np.asarray(photo.crop((left, top, left + self.crop, top + self.crop)))
        return np.float32(pixels * self.scale + self.shift).transpose(2, 0, 1)


def batches(paths, preprocess, size, threads):
    """Yield float32 [photos, 3, crop, crop]; the pool works up to four batches ahead."""
    waiting = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), size):
            waiting.append([pool.submit(preprocess, p) for p in paths[start : start + size]])
            if len(waiting) == 4:
                yield np.stack([f.result() for f in waiting.popleft()])
        for batch in waiting:
            yield np.stack([f.result() for f in batch])


def cut(network, out):
    """Write the part of the network that leads to the tensor that fx caches."""
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(network))  # an extractor takes only tensors with a shape
    metadata = {p.key: p.value for p in model.metadata_props}
    part = onnx.utils.Extractor(model).extract_model([model.graph.input[0].name], [metadata["fx.features"]])
    onnx.helper.set_model_props(part, metadata)
    onnx.save(part, out)


if __name__ == "__main__":
    main()

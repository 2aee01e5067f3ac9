"""Compares fx's in-graph preprocessing with torchvision's on real photos.

    go test ./backbones -run TestWriteFitModels -write-models /tmp/models
    pip install torch torchvision onnx onnxruntime 'pillow>=13'
    python backbones/testdata/check_pixels.py /tmp/models FOLDER_OF_PHOTOS

Expected: 0 differing values in every line. Besides the photos as they are,
thumbnails, very long and very small crops of them are tried, and noise. Pillow
must be version 13 or later: before, it resized tall photos in another order.
"""

import pathlib
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
import PIL
from PIL import Image
from torchvision import transforms

FILTERS = {"bilinear": transforms.InterpolationMode.BILINEAR, "bicubic": transforms.InterpolationMode.BICUBIC}


NOISE = ((300, 1200), (1200, 300), (400, 800), (400, 801), (320, 640), (319, 640), (500, 375), (20, 80), (2, 3000))


def cases(files):
    random = np.random.default_rng(0)
    for w, h in NOISE:
        yield Image.fromarray(random.integers(0, 256, (h, w, 3), np.uint8))
    for i, file in enumerate(files):
        photo = Image.open(file).convert("RGB")
        yield photo
        if i % 10 == 0:
            w, h = photo.size
            for size in ((w // 3, h // 3), (37, 91), (224, 300), (301, 224), (225, 225), (1, 1), (1, 40), (w * 2, h * 2)):
                yield photo.resize(size)
            yield photo.crop((0, 0, w, 20))
            yield photo.crop((0, 0, 13, h))
            yield photo.crop((0, 0, w // 3, h))


def main(folder, photos):
    if int(PIL.__version__.split(".")[0]) < 13:
        sys.exit(f"Pillow {PIL.__version__} is too old, 13 is needed")
    files = sorted(p for p in pathlib.Path(photos).rglob("*.jpg") if p.stat().st_size)
    for path in sorted(pathlib.Path(folder).glob("fit_*.onnx")):
        *mode, kind, resize, crop = path.stem.split("_")[1:]
        size = [int(resize)] * 2 if mode == ["squash"] else int(resize)
        reference = transforms.Compose([transforms.Resize(size, FILTERS[kind]), transforms.CenterCrop(int(crop))])
        onnx.checker.check_model(str(path), full_check=True)
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        images = values = differing = largest = 0
        theirs = ours = 0.0
        for photo in cases(files):
            start = time.perf_counter()
            want = np.asarray(reference(photo)).astype(int)
            middle = time.perf_counter()
            got = session.run(None, {"image": np.asarray(photo)})[0][0].astype(int)
            ours, theirs = ours + time.perf_counter() - middle, theirs + middle - start
            images, values = images + 1, values + want.size
            differing, largest = differing + int((got != want).sum()), max(largest, int(abs(got - want).max()))
        print(f"{path.stem}: {images} images, {differing} of {values} values differ, by {largest} at most;"
              f" {1000 * ours / images:.1f} ms an image, Pillow {1000 * theirs / images:.1f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Compares fx's in-graph preprocessing with torchvision's on real photos.

    go test ./backbones -run TestWriteFitModels -write-models /tmp/models
    pip install torch torchvision onnxruntime pillow
    python backbones/testdata/check_pixels.py /tmp/models FOLDER_OF_PHOTOS

Expected: 0 differing values in every line. Besides the photos as they are,
thumbnails, very long and very small crops of them are tried.
"""

import pathlib
import sys
import time

import numpy as np
import onnxruntime as ort
from PIL import Image
from torchvision import transforms

FILTERS = {"bilinear": transforms.InterpolationMode.BILINEAR, "bicubic": transforms.InterpolationMode.BICUBIC}


def cases(files):
    for i, file in enumerate(files):
        photo = Image.open(file).convert("RGB")
        yield photo
        if i % 10 == 0:
            w, h = photo.size
            for size in ((w // 3, h // 3), (37, 91), (224, 300), (301, 224), (225, 225), (1, 1), (1, 40), (w * 2, h * 2)):
                yield photo.resize(size)
            yield photo.crop((0, 0, w, 20))
            yield photo.crop((0, 0, 13, h))


def main(folder, photos):
    files = sorted(p for p in pathlib.Path(photos).rglob("*.jpg") if p.stat().st_size)
    for path in sorted(pathlib.Path(folder).glob("fit_*.onnx")):
        kind, resize, crop = path.stem.split("_")[1:]
        reference = transforms.Compose([transforms.Resize(int(resize), FILTERS[kind]), transforms.CenterCrop(int(crop))])
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

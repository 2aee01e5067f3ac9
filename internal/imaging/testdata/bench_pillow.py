"""Times Pillow on the photos that bench_test.go uses (every eighth of FX_DATA_DIR), one thread, processor time.

    FX_DATA_DIR=... python testdata/bench_pillow.py
"""

import glob
import io
import os
import time

from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode as I

root = os.environ["FX_DATA_DIR"]
names = sorted(n for n in (glob.glob(root + "/*/*/*.jpg") + glob.glob(root + "/*/*/*.jpeg")))[::8]
files = [open(n, "rb").read() for n in names]
images = [Image.open(io.BytesIO(f)).convert("RGB") for f in files]


def per_photo(name, run):
    best = float("inf")
    for _ in range(7):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    print(f"{name:24} {1000 * best / len(files):7.3f} ms a photo")


def view(resize, kind):
    t = transforms.Compose([transforms.Resize(resize, kind), transforms.CenterCrop(224)])
    return lambda: [t(im) for im in images]


per_photo("decode", lambda: [Image.open(io.BytesIO(f)).convert("RGB") for f in files])
per_photo("bilinear 224", view(224, I.BILINEAR))
per_photo("bilinear 256", view(256, I.BILINEAR))
per_photo("bicubic 256", view(256, I.BICUBIC))
t = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip()])
per_photo("random 224", lambda: [t(im) for im in images])

"""How many photos a second one core decodes and resizes with Pillow, or with torchvision on tensors.

    python decode_peers.py --library pillow|torchvision --data photos [--size 224] [--rounds 5] [--photos 0]

Prints the JSON document that bench/decode/main.go describes. Both do what a
torchvision script would: Pillow decodes to RGB and its images are resized and cropped by
torchvision.transforms; torchvision decodes by torchvision.io.decode_jpeg and resizes the
uint8 tensor with antialias=True, which rounds otherwise than Pillow. fast_decode is
Pillow's draft mode; torchvision has nothing of the kind (null).
"""

import argparse
import io
import json
import os
import statistics
import time


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--library", required=True, choices=["pillow", "torchvision"])
    p.add_argument("--data", default=os.environ.get("FX_DATA_DIR"), help="folder whose JPEGs are read; $FX_DATA_DIR where it is left out")
    p.add_argument("--size", type=int, default=224)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--photos", type=int, default=0, help="how many photos to read at most; 0 for all")
    o = p.parse_args()
    if not o.data or o.size < 1 or o.rounds < 1 or o.photos < 0:
        p.error("give --data FOLDER, and --size and --rounds of 1 or more")
    files = read_photos(o.data, o.photos)
    if not files:
        p.error(f"no JPEG under {o.data}")
    library = {"pillow": Pillow, "torchvision": Torchvision}[o.library](o.size)
    images = [library.decode(f) for f in files]
    jobs = {
        "decode": (files, library.decode),
        "resize": (images, library.resize),
        "both": (files, lambda f: library.resize(library.decode(f))),
    }
    if library.draft:
        jobs["fast_decode"] = (files, library.draft)
        jobs["fast_both"] = (files, lambda f: library.resize(library.draft(f)))
    seconds = {name: [] for name in jobs}
    for r in range(o.rounds + 1):
        for name, (photos, job) in jobs.items():
            start = time.perf_counter()
            for photo in photos:
                job(photo)
            if r > 0:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    rates = {name: len(files) / statistics.median(s) for name, s in seconds.items()}
    print(json.dumps({
        "program": o.library, "versions": library.versions, "photos": len(files),
        "pixels": sum(library.pixels(im) for im in images), "size": o.size, "rounds": o.rounds,
        "images_per_second": {name: rates.get(name) for name in ["decode", "resize", "both", "fast_decode", "fast_both"]},
    }))


def read_photos(root, limit):
    """The bytes of the JPEGs under root, sorted by path as bench/decode sorts them."""
    paths = sorted(os.path.join(folder, name) for folder, _, names in os.walk(root)
                   for name in names if name.lower().endswith((".jpg", ".jpeg")))
    contents = []
    for path in paths[:limit or None]:
        with open(path, "rb") as f:
            contents.append(f.read())
    return contents


class Pillow:
    """Pillow's images, through torchvision.transforms."""

    def __init__(self, size):
        import PIL
        import torch
        import torchvision
        from PIL import Image, features
        from torchvision import transforms

        torch.set_num_threads(1)
        self.image, self.size = Image, size
        self.resize = transforms.Compose([transforms.Resize(size), transforms.CenterCrop(size)])
        self.versions = {"pillow": PIL.__version__, "torchvision": torchvision.__version__,
                         "libjpeg-turbo": str(features.version("libjpeg_turbo"))}

    def decode(self, data):
        return self.image.open(io.BytesIO(data)).convert("RGB")

    def draft(self, data):
        im = self.image.open(io.BytesIO(data))
        im.draft("RGB", (self.size, self.size))
        return im.convert("RGB")

    @staticmethod
    def pixels(im):
        return im.width * im.height


class Torchvision:
    """torchvision's tensors: decode_jpeg and transforms.v2, on one thread."""

    draft = None

    def __init__(self, size):
        import torch
        import torchvision
        from torchvision.io import ImageReadMode, decode_jpeg
        from torchvision.transforms import v2

        torch.set_num_threads(1)
        self.torch, self.rgb, self.decode_jpeg = torch, ImageReadMode.RGB, decode_jpeg
        self.resize = v2.Compose([v2.Resize(size, antialias=True), v2.CenterCrop(size)])
        self.versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}

    def decode(self, data):
        return self.decode_jpeg(self.torch.frombuffer(bytearray(data), dtype=self.torch.uint8), mode=self.rgb)

    @staticmethod
    def pixels(im):
        return im.shape[1] * im.shape[2]


if __name__ == "__main__":
    main()

"""Compares fx's pixels of every photo with Pillow's and torchvision's.

In this folder's parent, with a Python that has torchvision and NumPy:

    FX_DATA_DIR=.../hymenoptera_data FX_PARITY_PIXELS=/tmp/pixels go test -count=1 -run TestWriteParity .
    python testdata/compare_pillow.py /tmp/pixels

FX_PARITY_DECODER=go compares the fall-back decoder. Prints, for decoding and
for each view, how many values differ and by how much at most; exit status 1 if
any do. With --goldens it also prints photos.json anew, the SHA-256 of Pillow's
pixels for a few photos that photos_test.go checks.
"""

import hashlib
import json
import os
import sys

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

FILTERS = {"bilinear": (InterpolationMode.BILINEAR, Image.BILINEAR), "bicubic": (InterpolationMode.BICUBIC, Image.BICUBIC)}


class Tally:
    def __init__(self, name):
        self.name, self.values, self.differing, self.most, self.images, self.per = name, 0, 0, 0, 0, {}

    def add(self, ours, theirs):
        d = np.abs(ours.astype(np.int16) - theirs.astype(np.int16))
        self.images += 1
        self.values += d.size
        self.differing += int(np.count_nonzero(d))
        self.most = max(self.most, int(d.max()))
        for level, n in zip(*np.unique(d[d > 0], return_counts=True)):
            self.per[int(level)] = self.per.get(int(level), 0) + int(n)

    def __str__(self):
        levels = " ".join(f"{k}:{100 * v / self.values:.4f}%" for k, v in sorted(self.per.items()))
        return f"{self.name:28} {self.images:5} images  {self.differing:10} of {self.values} values differ ({100 * self.differing / self.values:.3f} %), at most by {self.most}  {levels}"


def main():
    folder = sys.argv[1]
    with open(os.path.join(folder, "index.json")) as f:
        index = json.load(f)
    tallies = {}
    files = {n: open(os.path.join(folder, n), "rb") for n in sorted(os.listdir(folder)) if n.endswith(".rgb")}
    goldens = {}

    def compare(name, theirs):
        theirs = np.asarray(theirs)
        ours = np.frombuffer(files[name].read(theirs.size), np.uint8).reshape(theirs.shape)
        tallies.setdefault(name, Tally(name)).add(ours, theirs)
        return hashlib.sha256(theirs.tobytes()).hexdigest()

    for k, photo in enumerate(index["photos"]):
        im = Image.open(os.path.join(index["root"], photo["name"])).convert("RGB")
        golden = {"decoded": compare("decoded.rgb", im)}
        for name in files:
            if not name.startswith(("center", "squash")):
                continue
            mode, resize, crop, kind = name[:-4].split("-")
            size = [int(resize)] * 2 if mode == "squash" else int(resize)
            view = transforms.Compose([transforms.Resize(size, FILTERS[kind][0]), transforms.CenterCrop(int(crop))])
            golden[name[:-4]] = compare(name, view(im))
        for r in photo["regions"]:
            part = im.crop((r["Left"], r["Top"], r["Left"] + r["Width"], r["Top"] + r["Height"]))
            part = part.resize((224, 224), Image.BILINEAR)
            if r["Flip"]:
                part = part.transpose(Image.FLIP_LEFT_RIGHT)
            compare("region-224-bilinear.rgb", part)
        if k % 50 == 0:
            goldens[photo["name"]] = golden
    print("decoder:", index["decoder"])
    for t in tallies.values():
        print(t)
    if "--goldens" in sys.argv:
        with open(os.path.join(os.path.dirname(__file__), "photos.json"), "w") as f:
            json.dump(goldens, f, indent=1)
            f.write("\n")
    sys.exit(any(t.differing for t in tallies.values()))


if __name__ == "__main__":
    main()

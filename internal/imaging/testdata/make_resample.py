"""Writes resample.json: SHA-256 (its first 16 digits) of what torchvision makes of synthetic images.

    python make_resample.py

Made with torchvision 0.29.2 on Pillow 13.0.0, whose order of passes it follows
(resample.go, verticalFirst). Equality is demanded to the last bit. The images
are noise from a hash of the position, so that every coefficient counts; kind
"edges" has values of 0 and 255 alone, where the bicubic filter overshoots.
"""

import hashlib
import json
import random

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode

FILTERS = {"bilinear": (InterpolationMode.BILINEAR, Image.BILINEAR), "bicubic": (InterpolationMode.BICUBIC, Image.BICUBIC)}


def noise(w, h, edges):
    v = np.arange(3 * w * h, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(12345)
    v ^= v >> np.uint32(15)
    v *= np.uint32(2246822519)
    v ^= v >> np.uint32(13)
    v = (v & np.uint32(255)).astype(np.uint8)
    if edges:
        v = np.where(v < 128, 0, 255).astype(np.uint8)
    return Image.fromarray(v.reshape(h, w, 3))


def digest(im):
    return hashlib.sha256(im.tobytes()).hexdigest()[:16]


def main():
    sizes = [(1, 1), (1, 7), (7, 1), (2, 3), (17, 33), (224, 224), (225, 224), (224, 300), (300, 224), (223, 225), (500, 375),
             (375, 500), (640, 113), (113, 640), (100, 450), (50, 900), (1, 300), (300, 1), (700, 10), (33, 34), (448, 449)]
    specs = [(224, 224), (256, 224), (32, 32), (40, 33), (33, 40), (24, 31), (7, 8), (1, 1)]
    centre, regions = [], []
    for w, h in sizes:
        for edges in (False, True):
            im = noise(w, h, edges)
            for resize, crop in specs:
                for name, (mode, _) in FILTERS.items():
                    if edges and name == "bilinear":
                        continue
                    view = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(crop)])(im)
                    centre.append({"w": w, "h": h, "edges": edges, "resize": resize, "crop": crop, "filter": name, "sum": digest(view)})
    # Resize((R, R)): each side has a scale of its own, up in one and down in the other for some.
    for w, h in sizes + [(2000, 90), (90, 2000), (2, 3000), (300, 620)]:
        for edges in (False, True):
            im = noise(w, h, edges)
            for resize, crop in [(224, 224), (256, 224), (40, 33), (33, 40), (7, 7), (384, 384)]:
                for name, (mode, _) in FILTERS.items():
                    if edges and (name == "bilinear" or resize != crop):
                        continue
                    view = transforms.Compose([transforms.Resize((resize, resize), mode), transforms.CenterCrop(crop)])(im)
                    centre.append({"w": w, "h": h, "edges": edges, "mode": "squash", "resize": resize, "crop": crop, "filter": name,
                                   "sum": digest(view)})
    rng = random.Random(3)
    for w, h in [(1, 1), (5, 9), (64, 48), (300, 400), (61, 700), (500, 375)]:
        im = noise(w, h, False)
        for _ in range(12):
            rw, rh = rng.randint(1, w), rng.randint(1, h)
            left, top, flip = rng.randint(0, w - rw), rng.randint(0, h - rh), rng.random() < 0.5
            crop, (name, (_, mode)) = rng.choice([1, 16, 33, 64]), rng.choice(list(FILTERS.items()))
            part = im.crop((left, top, left + rw, top + rh)).resize((crop, crop), mode)
            if flip:
                part = part.transpose(Image.FLIP_LEFT_RIGHT)
            regions.append({"w": w, "h": h, "region": {"Top": top, "Left": left, "Height": rh, "Width": rw, "Flip": flip},
                            "crop": crop, "filter": name, "sum": digest(part)})
    with open("resample.json", "w") as f:
        f.write('{"centre":[\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in centre))
        f.write('\n],"regions":[\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in regions) + "\n]}\n")
    print(len(centre), len(regions))


if __name__ == "__main__":
    main()

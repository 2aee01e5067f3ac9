"""Writes fast.json: SHA-256 of what Pillow's draft mode makes of JPEGs, for fast_test.go.

    FX_DATA_DIR=.../hymenoptera_data python testdata/make_fast.py

in the folder above. Each JPEG of the zoo, and every 50th photo of FX_DATA_DIR, is
decoded after Image.draft((side, side)) for sides that ask for every scale.
"""

import glob
import hashlib
import json
import os

from PIL import Image

SIDES = [8, 11, 16, 30, 60, 125, 224]
here = os.path.dirname(os.path.abspath(__file__))
root = os.environ["FX_DATA_DIR"]


def goldens(path):
    found = {}
    for side in SIDES:
        with Image.open(path) as im:
            whole = im.size
            im.draft(None, (side, side))
            if im.size == whole:
                continue  # decoded whole, which other goldens hold
            pixels = im.convert("RGB")
            found[str(side)] = {"width": pixels.width, "height": pixels.height, "sum": hashlib.sha256(pixels.tobytes()).hexdigest()[:32]}
    return found


zoo, photos = {}, {}
for path in sorted(glob.glob(os.path.join(here, "zoo", "*.jpg"))):
    try:
        zoo[os.path.basename(path)] = goldens(path)
    except (OSError, SyntaxError, Image.DecompressionBombError):
        pass  # refused, at any scale
names = sorted(os.path.relpath(p, root) for p in glob.glob(root + "/*/*/*.jp*g"))
for name in names[::50]:
    photos[name] = goldens(os.path.join(root, name))
with open(os.path.join(here, "fast.json"), "w") as f:
    json.dump({"zoo": {k: v for k, v in zoo.items() if v}, "photos": photos}, f, indent=1, sort_keys=True)
    f.write("\n")

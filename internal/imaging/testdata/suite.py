"""Writes what Pillow makes of all BMP and TIFF files of the folders given, for TestSuite:

    python testdata/suite.py /tmp/suite.json FOLDER...
    FX_SUITE=/tmp/suite.json go test -count=1 -v -run TestSuite .

Files of equal content are taken once. For each: Pillow's mode, size and the
SHA-256 of its convert("RGB"), or why it refuses the file.
"""

import hashlib
import json
import os
import sys
import warnings

from PIL import Image

warnings.simplefilter("ignore")


def pillow(path):
    try:
        with open(path, "rb") as f:  # as torchvision's loader opens it
            im = Image.open(f)
            kind, mode = im.format, im.mode
            tags = {k: im.tag_v2.get(k) for k in (258, 259, 262, 277, 284, 317)} if kind == "TIFF" else {}
            rgb = im.convert("RGB")
    except Exception as e:
        return {"Refused": f"{type(e).__name__}: {e}"[:100]}
    return {
        "Mode": mode,
        "Kind": kind,
        "Tags": str(tags),
        "Width": rgb.width,
        "Height": rgb.height,
        "SHA256": hashlib.sha256(rgb.tobytes()).hexdigest(),
    }


def main():
    files, seen = {}, set()
    for top in map(os.path.abspath, sys.argv[2:]):
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                path = os.path.join(folder, name)
                if not name.lower().endswith((".bmp", ".dib", ".tif", ".tiff")):
                    continue
                with open(path, "rb") as f:
                    digest = hashlib.sha256(f.read()).digest()
                if digest not in seen:
                    seen.add(digest)
                    files[path] = pillow(path)
    with open(sys.argv[1], "w") as f:
        json.dump(files, f, indent=0)
    print(len(files), "files,", sum("Refused" not in g for g in files.values()), "read by Pillow")


if __name__ == "__main__":
    main()

"""Damages JPEG files in thousands of ways and writes down what Pillow says of each.

    python mutate.py                     the zoo's files -> mutations.json (committed)
    python mutate.py OUT.json PHOTO...   photos, each also recoded by jpegtran
                                         (progressive, with restart markers)

A mutation is a list of operations on the file's bytes, so that the test
(mutation_test.go; FX_MUTATIONS=OUT.json for photos) can repeat it:
["cut", n] keeps n bytes; ["flip", at, bits]; ["delete", at, n]; ["insert", at,
hex]; ["append", hex]. "sum" is the beginning of the SHA-256 of Pillow's
pixels, or "" where Pillow refuses the file.
"""

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import warnings

import PIL
from PIL import Image

warnings.simplefilter("ignore")


def apply(data, ops):
    data = bytearray(data)
    for op in ops:
        match op:
            case ["cut", n]:
                del data[n:]
            case ["flip", at, bits]:
                data[at] ^= bits
            case ["delete", at, n]:
                del data[at : at + n]
            case ["insert", at, more]:
                data[at:at] = bytes.fromhex(more)
            case ["append", more]:
                data += bytes.fromhex(more)
    return bytes(data)


def verdict(data):
    try:
        im = Image.open(io.BytesIO(data)).convert("RGB")
    except Exception:
        return ""
    return hashlib.sha256(im.tobytes()).hexdigest()[:8]


def mutations(data, rng, scale):
    n = len(data)
    scan = data.index(b"\xff\xda")

    def flip(low, high):
        return ["flip", rng.randrange(low, high), 1 << rng.randrange(8)]

    for _ in range(6 * scale):
        yield "cut", [["cut", rng.randrange(3, n)]]
    for at in rng.sample(range(1, min(80, n - scan)), min(4 * scale, min(80, n - scan) - 1)):
        yield "cut near end", [["cut", n - at]]
    for at in rng.sample(range(1, 20), min(2 * scale, 19)):
        yield "cut near end, garbage", [["cut", n - at], ["append", rng.randbytes(rng.randrange(1, 40)).hex()]]
    for at in range(1, 10 if n > 3000 else 3):  # where the refills of libjpeg's bit buffer decide
        for k in range(14):
            yield "cut, few bytes", [["cut", n - at], ["append", rng.randbytes(k).replace(b"\xff", b"\x00").hex()]]
    for _ in range(2 * scale):
        yield "cut, EOI", [["cut", rng.randrange(scan + 20, n)], ["append", "ffd9"]]
    for _ in range(10 * scale):
        yield "flip in scan", [flip(scan + 14, n - 2)]
    for _ in range(4 * scale):
        yield "flips in scan", [flip(scan + 14, n - 2) for _ in range(rng.randrange(2, 30))]
    for _ in range(6 * scale):
        yield "flip in header", [flip(3, scan + 14)]
    for _ in range(3 * scale):
        yield "flip, cut", [flip(scan + 14, n - 2), ["cut", n - rng.randrange(1, 60)]]
    for _ in range(2 * scale):
        yield "delete", [["delete", rng.randrange(scan + 14, n - 2), rng.randrange(1, 50)]]
    for _ in range(2 * scale):
        yield "insert", [["insert", rng.randrange(scan + 14, n - 1), rng.randbytes(rng.randrange(1, 20)).hex()]]
    for _ in range(2 * scale):
        yield "marker", [["insert", rng.randrange(scan + 14, n - 1), "ff%02x" % rng.choice([1, 5, 0xC0, 0xC4, 0xCC, 0xD0, 0xD1, 0xD3, 0xD7, 0xD8, 0xDA, 0xDD, 0xE0, 0xF0, 0xFE])]]
    for _ in range(scale):
        yield "trailing", [["append", rng.randbytes(rng.randrange(1, 300)).hex()]]


def collect(files, scale):
    rng = random.Random(12)
    out = []
    for name, data in files.items():
        cases = []
        for kind, ops in mutations(data, rng, scale):
            sum_ = verdict(apply(data, ops))
            cases.append({"kind": kind, "ops": ops, "sum": sum_})
        out.append({"file": name, "cases": cases})
    return out


def main():
    if len(sys.argv) == 1:
        names = ["base", "progressive-base", "restart-1", "gray", "gray-larger", "444-17x33", "rgb-444", "cmyk", "restart-rows"]
        files = {}
        for n in names:
            with open(f"zoo/jpeg-{n}.jpg", "rb") as f:
                files[f"jpeg-{n}.jpg"] = f.read()
        out, result = "mutations.json", collect(files, 2)
    else:
        files = {}
        out = sys.argv[1]
        folder = os.path.splitext(out)[0]
        os.makedirs(folder, exist_ok=True)
        for photo in sys.argv[2:]:
            stem = os.path.splitext(os.path.basename(photo))[0]
            for word, options in [("plain", []), ("restart", ["-restart", "7B"]), ("progressive", ["-progressive"]),
                                  ("progressive-restart", ["-progressive", "-restart", "2"]), ("gray", ["-grayscale", "-optimize"])]:
                path = os.path.join(folder, f"{stem}-{word}.jpg")
                files[path] = subprocess.run(["jpegtran", *options, photo], capture_output=True, check=True).stdout
                with open(path, "wb") as f:
                    f.write(files[path])
        result = collect(files, 5)
    with open(out, "w") as f:
        json.dump({"pillow": PIL.__version__, "files": result}, f, separators=(",", ":"))
        f.write("\n")
    cases = [c for r in result for c in r["cases"]]
    print(len(cases), "mutations,", sum(c["sum"] != "" for c in cases), "accepted")


if __name__ == "__main__":
    main()

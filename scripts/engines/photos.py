#!/usr/bin/env python3
"""Makes photos for the tests of engines, and compares the stores that they fill. It needs Python alone.

    photos.py make DIR [--photos 10000] [--damaged 0.003]
    photos.py compare --fx FX --photos DIR PLAIN STORE...

make draws PNG photos of four classes: few pictures, in each copy of which one pixel is changed, so that no two are
the same. A share of them is cut. DIR.json lists those.

compare demands that each STORE has exactly one row for each good photo, that its rows, labels and features are those of
PLAIN bit for bit, and that it lists each damaged photo once, with a reason.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

CLASSES = ("ants", "bees", "flies", "moths")
SIZE = 96  # pixels of a side
PICTURES = 16


def picture(number):
    """Returns the rows of a picture, each as PNG's filter byte 0 and RGB bytes: a gradient with some noise."""
    noise = random.Random(number)
    slopes = [noise.uniform(-1, 1) for _ in range(6)]
    rows = []
    for y in range(SIZE):
        row = bytearray(1)
        for x in range(SIZE):
            for c in range(3):
                row.append(int(128 + 60 * (slopes[c] * x + slopes[c + 3] * y) / SIZE + noise.uniform(-8, 8)) & 255)
        rows.append(row)
    return rows


def png(rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b"".join(rows), 1)) + chunk(b"IEND", b""))


def make(directory, photos, damaged):
    draw = random.Random(0)
    bad = set(draw.sample(range(photos), round(photos * damaged)))
    pictures = [picture(n) for n in range(PICTURES)]
    names = []
    for n in range(photos):
        rows = [bytearray(row) for row in pictures[n % PICTURES]]
        pixel = n // PICTURES  # the pixel and its colour tell the copies of a picture apart
        at = 1 + 3 * (pixel % SIZE)
        rows[pixel // SIZE % SIZE][at:at + 3] = bytes((255, pixel // SIZE ** 2 & 255, 0))
        data = png(rows)
        name = f"{CLASSES[n % 4]}/{n:07d}.png"
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[: len(data) // 2] if n in bad else data)
        os.utime(path, (time.time() - 3600,) * 2)  # fx trusts the time of a file only after a while
        if n in bad:
            names.append(name)
    directory.with_suffix(".json").write_text(json.dumps({"photos": photos, "damaged": sorted(names)}))
    print(f"{photos} photos in {directory}, {len(names)} of them damaged")


def exported(fx, store, folder):
    """Returns the rows of a store as fx exports them for numpy, in the order of the photos: name -> bytes of a file."""
    subprocess.run([fx, "features", "export", store, "--format", "npy", "--out", folder, "--quiet"], check=True,
                   stdout=subprocess.DEVNULL)
    return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def compare(fx, photos, plain, stores):
    made = json.loads(photos.with_suffix(".json").read_text())
    good = {f"{p.parent.name}/{p.name}" for p in photos.glob("*/*")} - set(made["damaged"])
    faults = []
    with tempfile.TemporaryDirectory() as scratch:
        want = exported(fx, plain, f"{scratch}/plain")
        for number, store in enumerate([plain, *stores]):
            got = exported(fx, store, f"{scratch}/{number}")
            rows = json.loads(got["rows.json"])["path"]
            if len(rows) != len(good) or set(rows) != good:
                faults.append(f"{store} has {len(rows)} rows of {len(set(rows) & good)} of {len(good)} good photos")
            faults += [f"{store} and {plain} differ in {name}" for name in want if got.get(name) != want[name]]
            info = json.loads(subprocess.run([fx, "features", "info", "--rejected", store, "--json"], check=True,
                                             capture_output=True).stdout)
            rejected = info.get("rejected_photos", [])
            if sorted(r["path"] for r in rejected) != made["damaged"] or not all(r["reason"] for r in rejected):
                faults.append(f"{store} lists {len(rejected)} rejected photos, {len(made['damaged'])} are damaged")
            subprocess.run([fx, "features", "verify", store, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"the stores are equal: {len(good)} rows, {len(made['damaged'])} photos rejected")
    return bool(faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    c = commands.add_parser("make")
    c.add_argument("directory", type=Path)
    c.add_argument("--photos", type=int, default=int(os.environ.get("FX_ENGINE_PHOTOS", 10_000)))
    c.add_argument("--damaged", type=float, default=0.003)
    c = commands.add_parser("compare")
    c.add_argument("--fx", default="fx")
    c.add_argument("--photos", type=Path, required=True)
    c.add_argument("plain")
    c.add_argument("stores", nargs="*")
    a = parser.parse_args()
    if a.command == "make":
        make(a.directory, a.photos, a.damaged)
        return 0
    return compare(a.fx, a.photos, a.plain, a.stores)


if __name__ == "__main__":
    sys.exit(main())

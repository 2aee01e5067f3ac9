"""Writes damaged copies of the files of rasters.zip, for suite.py and TestSuite:

    python testdata/mutate_rasters.py 1 5000 /tmp/damaged
    python testdata/suite.py /tmp/suite.json /tmp/damaged

The arguments are a seed, how many files, and a folder. A copy is cut, or has
bytes overwritten within the first 260, where headers lie, or bits flipped anywhere.
"""

import os
import random
import sys
import zipfile


def damage(rng, data):
    kind = rng.random()
    if kind < 0.15:
        return data[: rng.randrange(len(data))]
    if kind < 0.75:
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            values = [0, 1, 2, 3, 4, 8, 16, 255, rng.randrange(256)]
            data[rng.randrange(min(len(data), 260))] = rng.choice(values)
        return data
    for _ in range(rng.choice([1, 2, 5])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def main():
    rng, count, folder = random.Random(int(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
    with zipfile.ZipFile(os.path.join(os.path.dirname(os.path.abspath(__file__)), "rasters.zip")) as z:
        files = {name: z.read(name) for name in sorted(z.namelist())}
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        name = rng.choice(list(files))
        with open(os.path.join(folder, f"{i:05d}-{name}"), "wb") as f:
            f.write(damage(rng, bytearray(files[name])))


if __name__ == "__main__":
    main()

"""Says how far two files of embeddings lie apart: one that `fx features export` wrote, and a peer's.

Prints the relative L2 distance of the photo where it is largest, and the median.
"""

import argparse
import json
import pathlib
import sys

import numpy as np


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--fx", required=True, help="folder with features.npy and rows.json")
    p.add_argument("--peer", required=True, help="a peer's .npy, with its .json beside it")
    o = p.parse_args()
    folder, peer = pathlib.Path(o.fx), pathlib.Path(o.peer)
    ours = np.load(folder / "features.npy", mmap_mode="r")
    theirs = np.load(peer, mmap_mode="r")
    rows = {path: i for i, path in enumerate(json.loads((folder / "rows.json").read_text())["path"])}
    paths = json.loads(peer.with_suffix(".json").read_text())
    if set(paths) != set(rows) or len(paths) != len(rows):
        sys.exit(f"fx has {len(rows)} photos and the peer {len(paths)}: {sorted(set(paths) ^ set(rows))[:3]} differ")
    if ours[0].size != theirs[0].size:
        sys.exit(f"fx's embeddings have {ours[0].size} values and the peer's {theirs[0].size}")
    far = []
    for i, path in enumerate(paths):
        got, want = (np.asarray(x, dtype=np.float64).ravel() for x in (ours[rows[path]], theirs[i]))
        far.append(np.linalg.norm(got - want) / np.linalg.norm(want))
    print(json.dumps({"worst": float(np.max(far)), "median": float(np.median(far)), "photos": len(far)}))


if __name__ == "__main__":
    main()

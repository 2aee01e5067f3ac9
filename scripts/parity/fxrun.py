"""Runs fx as a user would, and reads its output with other tools."""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np


class FX:
    def __init__(self, binary):
        found = shutil.which(binary)
        if found is None:
            sys.exit(f"{binary} is no program: build it with `go build -o bin/fx .`")
        self.binary = str(pathlib.Path(found).resolve())

    def __call__(self, *arguments):
        """Run `fx ARGUMENTS --json` and return its document."""
        command = [self.binary, *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"exit code {done.returncode} of {' '.join(command)[:300]}\n{done.stderr}")
        return json.loads(done.stdout)

    def extract(self, backbone, data, store, weights=None):
        shutil.rmtree(store, ignore_errors=True)
        chosen = ["--weights", weights] if weights else []
        return self("extract", "--backbone", backbone, *chosen, "--data", data, "--out", store)


def read_store(folder, split):
    """Paths and embeddings [photos, values] of a split's centre views, by pyarrow."""
    import pyarrow as pa

    paths, rows = [], []
    for shard in sorted(pathlib.Path(folder).glob("*.arrow")):
        table = pa.ipc.open_file(pa.memory_map(str(shard))).read_all()
        values = table["embedding"].combine_chunks()
        embeddings = values.flatten().to_numpy().reshape(len(table), values.type.list_size)
        for i, (path, where, view) in enumerate(zip(*(table[c].to_pylist() for c in ("path", "split", "view")))):
            if where == split and view == 0:
                paths.append(path)
                rows.append(embeddings[i])
    if not paths:
        sys.exit(f"{folder} has no photos of split {split!r}")
    order = np.argsort(paths)
    return [paths[i] for i in order], np.stack([rows[i] for i in order])


def manifest(folder):
    return json.loads((pathlib.Path(folder) / "manifest.json").read_text())


def photos(data, split):
    """The split's photos as torchvision's ImageFolder counts them, relative to data."""
    from torchvision.datasets import ImageFolder

    data = pathlib.Path(data)
    return sorted(pathlib.Path(path).relative_to(data).as_posix() for path, _ in ImageFolder(data / split).samples)

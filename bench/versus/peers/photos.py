"""What the peers have in common: the photos, the file of embeddings, and the JSON that they print."""

import json
import pathlib
import time

import numpy as np


class Embeddings:
    """A float32 .npy of rows that come batch by batch, and beside it a .json with the paths of the photos."""

    def __init__(self, path, data, photos):
        self.rows = len(photos)
        self.file = open(path, "wb")
        self.values = None
        relative = [pathlib.Path(p).relative_to(data).as_posix() for p in photos]
        pathlib.Path(path).with_suffix(".json").write_text(json.dumps(relative))

    def write(self, batch):
        """Add rows, [photos, ...] of any layout in memory."""
        batch = np.ascontiguousarray(batch, dtype=np.float32).reshape(len(batch), -1)
        if self.values is None:
            self.values = batch.shape[1]
            header = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.values)}
            np.lib.format.write_array_header_1_0(self.file, header)
        self.file.write(batch)

    def close(self):
        self.file.close()


def report(photos, started):
    """Print what was measured, from the first photo to the last byte; whoever started the process knows how long it took in all."""
    seconds = time.perf_counter() - started
    print(json.dumps({"images": photos, "seconds": seconds, "images_per_second": photos / seconds}))


def listed(data):
    """The photos below a folder as torchvision's ImageFolder finds them."""
    from torchvision.datasets import ImageFolder

    return [path for path, _ in ImageFolder(data).samples]

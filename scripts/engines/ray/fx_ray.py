"""Embeds the photos of a Ray Dataset with `fx worker`.

    photos = ray.data.read_binary_files("photos", include_paths=True)
    features = fx_ray.embed(photos, "--backbone", "resnet18", "--workers", "1", concurrency=2)
"""

import pyarrow as pa
import ray

import fx_worker


class Embed:
    """An actor that holds a process of `fx worker`."""

    def __init__(self, *flags):
        self._worker = fx_worker.Worker(*flags)

    def __call__(self, table):
        answers = self._worker.map(table.combine_chunks().to_batches(max_chunksize=64))
        return pa.Table.from_batches(list(answers))


def embed(dataset, *flags, concurrency, num_cpus=1, num_gpus=None, batch_size=256):
    """Returns a row for each row of dataset, with its columns but `bytes` and `image`, sha256, embedding, error.

    The photos are in a column bytes, image or path, see docs/worker.md. flags are those of `fx worker`. There are
    `concurrency` actors, each with `num_cpus` (give fx as many --workers) and `num_gpus`.
    """
    return dataset.map_batches(Embed, fn_constructor_args=flags, batch_format="pyarrow", batch_size=batch_size,
                               compute=ray.data.ActorPoolStrategy(size=concurrency), num_cpus=num_cpus,
                               num_gpus=num_gpus)

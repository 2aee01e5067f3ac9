"""Runs fx_ray on a real Ray, with two actors of one core. See ../trial.py for variables.

    python scripts/engines/ray/test.py

It needs ray[data], pyarrow and numpy.
"""

import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
os.environ["PYTHONPATH"] = f"{HERE}:{HERE.parent}"  # of Ray's processes
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray  # noqa: E402

import fx_ray  # noqa: E402
import trial  # noqa: E402


def run(test, out, counts=None):
    """Embeds all photos and writes them as parquet. Returns the rows. Answers are counted in the folder counts."""
    def count(table):
        with open(f"{counts}/{os.getpid()}", "a") as file:
            file.write(f"{table.num_rows}\n")
        return table

    photos = ray.data.read_binary_files(str(test.photos), include_paths=True, override_num_blocks=40)
    features = fx_ray.embed(photos, *test.flags, "--workers", "1", concurrency=2, batch_size=128)
    if counts:
        features = features.map_batches(count, batch_format="pyarrow", num_cpus=0, zero_copy_batch=True)
    features.write_parquet(str(out))
    return rows(out)


def rows(out):
    for batch in ray.data.read_parquet(str(out)).select_columns(["path", "embedding", "error"]).iter_batches(
            batch_format="pyarrow"):
        yield from zip(*(batch.column(name).to_pylist() for name in ("path", "embedding", "error")))


def main():
    with tempfile.TemporaryDirectory(prefix="fx-ray-") as scratch:
        test = trial.Trial(scratch)
        # The CPUs are those of the reading and writing tasks, too, which hardly use any.
        ray.init(num_cpus=4, include_dashboard=False, object_store_memory=1 << 30, logging_level="ERROR")
        ray.data.DataContext.get_current().enable_progress_bars = False
        try:
            test.measure("Ray", lambda turn: run(test, test.scratch / f"out{turn}"))
            test.disturb("MapWorker(MapBatches(Embed)", lambda: run(test, test.scratch / "killed", test.counts))
        finally:
            ray.shutdown()


if __name__ == "__main__":
    main()

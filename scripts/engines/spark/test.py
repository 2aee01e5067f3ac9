"""Runs fx_spark on a real Spark: local-cluster mode with two executors of one core. See ../trial.py for variables.

    python scripts/engines/spark/test.py

It needs pyspark, pyarrow, numpy and Java 17.
"""

import os
import sys
import tempfile
from pathlib import Path

from pyspark.sql import SparkSession

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import fx_spark  # noqa: E402
import fx_worker  # noqa: E402
import trial  # noqa: E402


def run(spark, test, out, counts=None):
    """Embeds all photos and writes them as parquet. Returns the rows. Answers are counted in the folder counts."""
    def count(batches):
        for batch in batches:
            with open(f"{counts}/{os.getpid()}", "a") as file:
                file.write(f"{batch.num_rows}\n")
            yield batch

    photos = (spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(str(test.photos))
              .selectExpr("path", "content AS bytes"))
    features = fx_spark.embed(photos, *test.flags, "--workers", "1")
    if counts:
        features = features.mapInArrow(count, features.schema)
    features.write.parquet(str(out))
    return rows(spark, out)


def rows(spark, out):
    yield from map(tuple, spark.read.parquet(str(out)).select("path", "embedding", "error").toLocalIterator())


def main():
    with tempfile.TemporaryDirectory(prefix="fx-spark-") as scratch:
        test = trial.Trial(scratch)
        os.environ["PYSPARK_PYTHON"] = sys.executable  # of the executors
        os.environ["SPARK_WORKER_DIR"] = f"{scratch}/work"
        session = (SparkSession.builder.master("local-cluster[2,1,1024]").appName("fx")
                   .config("spark.executorEnv.FX", str(test.fx))
                   .config("spark.sql.execution.arrow.maxRecordsPerBatch", 32)
                   .config("spark.sql.files.openCostInBytes", 1 << 19)  # some 250 photos in a partition
                   .config("spark.task.maxFailures", 10)
                   .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false"))
        with session.getOrCreate() as spark:
            spark.sparkContext.setLogLevel("ERROR")
            for module in (fx_worker, fx_spark):
                spark.sparkContext.addPyFile(module.__file__)
            test.measure("Spark", lambda turn: run(spark, test, test.scratch / f"out{turn}"))
            test.disturb("CoarseGrainedExecutorBackend",
                         lambda: run(spark, test, test.scratch / "killed", test.counts))


if __name__ == "__main__":
    main()

"""Embeds the photos of a Spark DataFrame with `fx worker`.

    photos = spark.read.format("binaryFile").load("photos").selectExpr("path", "content AS bytes")
    features = fx_spark.embed(photos, "--backbone", "resnet18", "--workers", "1")
"""

import pyarrow as pa
from pyspark.sql.types import ArrayType, FloatType, StringType, StructType

import fx_worker


def embed(frame, *flags):
    """Returns a row for each row of frame, with its columns but `bytes` and `image`, sha256, embedding, error.

    The photos are in a column bytes, image or path, see docs/worker.md. flags are those of `fx worker`.
    """
    kept = [field for field in frame.schema.fields if field.name not in ("bytes", "image")]
    schema = StructType(kept).add("sha256", StringType()).add("embedding", ArrayType(FloatType())).add(
        "error", StringType())

    def run(batches):
        for answer in fx_worker.shared(*flags).map(batches):
            at = answer.schema.get_field_index("embedding")
            lists = answer.column(at).cast(pa.list_(pa.float32()))  # Spark has no lists of fixed size
            yield answer.set_column(at, "embedding", lists)

    return frame.mapInArrow(run, schema)

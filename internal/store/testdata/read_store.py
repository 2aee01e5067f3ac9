"""Reads a store and its exports with the libraries that people use, and
compares all of them with each other and with the numbers that the test wrote.

TestPythonReadsStoreAndExports runs it where FX_PYTHON names a Python that has
pyarrow, pandas, polars, numpy and safetensors (tried: 26.0.1, 3.1.1, 2.1.0,
2.4.6, 0.8.0). By hand:

    python read_store.py FOLDER

FOLDER holds store/, npy/, rows.csv, rows.parquet, rows.safetensors and
expected.json: [[path, sha256, split, class, label, view, [embedding…]], …].
Tolerance: none; CSV numbers read back as the same float32.
"""
import glob, json, os, sys
import numpy as np, pandas as pd, polars as pl, pyarrow as pa
import pyarrow.feather, pyarrow.ipc, pyarrow.parquet
from safetensors.numpy import load_file, safe_open

folder = sys.argv[1]
expected = json.load(open(os.path.join(folder, "expected.json"), encoding="utf-8"))
manifest = json.load(open(os.path.join(folder, "store", "manifest.json"), encoding="utf-8"))
dtype = np.dtype(manifest["dtype"])
names = ["path", "sha256", "split", "class", "label", "view"]
want = {n: [row[i] for row in expected] for i, n in enumerate(names)}
features = np.array([row[6] for row in expected], dtype=dtype)
shape = [len(expected)] + manifest["feature_shape"]


def check(what, columns, values):
    """Compares columns (name → list) and values ([rows, n]), whatever their order."""
    order = sorted(range(len(columns["path"])), key=lambda i: (columns["path"][i], columns["view"][i]))
    target = sorted(range(len(expected)), key=lambda i: (want["path"][i], want["view"][i]))
    for n in names:
        got = [columns[n][i] for i in order]
        assert got == [want[n][i] for i in target], (what, n, got)
    values = np.asarray(values)
    assert values.dtype == dtype, (what, values.dtype)
    assert np.array_equal(values.reshape(len(expected), -1)[order], features[target]), what
    print("ok", what)


shards = sorted(glob.glob(os.path.join(folder, "store", "*.arrow")))
tables = [pa.ipc.open_file(pa.memory_map(p)).read_all() for p in shards]
for t in tables:
    t.validate(full=True)
    assert json.loads(t.schema.metadata[b"fx.feature_shape"]) == manifest["feature_shape"]
table = pa.concat_tables(tables).combine_chunks()
check("pyarrow", table.to_pydict(), table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(expected), -1))

frame = pd.concat([pd.read_feather(p) for p in shards])
check("pandas", {n: frame[n].tolist() for n in names}, np.stack(frame["embedding"].to_list()))

frame = pl.read_ipc(os.path.join(folder, "store", "*.arrow"))
check("polars", {n: frame[n].to_list() for n in names}, np.array(frame["embedding"].to_list(), dtype=dtype))

frame = pl.scan_ipc(os.path.join(folder, "store", "*.arrow")).filter(pl.col("split") == "val").collect()
assert frame.height == want["split"].count("val")
print("ok polars lazily")

frame = pd.read_parquet(os.path.join(folder, "rows.parquet"))
check("parquet by pandas", {n: frame[n].tolist() for n in names}, np.stack(frame["embedding"].to_list()))
frame = pl.read_parquet(os.path.join(folder, "rows.parquet"))
check("parquet by polars", {n: frame[n].to_list() for n in names}, np.array(frame["embedding"].to_list(), dtype=dtype))

frame = pd.read_csv(os.path.join(folder, "rows.csv"), keep_default_na=False)
check("csv by pandas", {n: frame[n].tolist() for n in names},
      frame[[f"f{i}" for i in range(features.shape[1])]].to_numpy(dtype=np.float32).astype(dtype))

rows = json.load(open(os.path.join(folder, "npy", "rows.json"), encoding="utf-8"))
npy = {n: np.load(os.path.join(folder, "npy", n + ".npy"), mmap_mode="r") for n in ["features", "labels", "views"]}
assert list(npy["features"].shape) == shape and npy["labels"].dtype == np.int64 and npy["views"].dtype == np.int32
columns = {**{n: rows[n] for n in ["path", "split", "sha256"]}, "label": npy["labels"].tolist(), "view": npy["views"].tolist(),
           "class": [rows["classes"][i] for i in npy["labels"]]}
check("npy", columns, npy["features"])

path = os.path.join(folder, "rows.safetensors")
tensors = load_file(path)
with safe_open(path, "numpy") as f:
    metadata = f.metadata()
assert list(tensors["features"].shape) == shape and json.loads(metadata["manifest"])["backbone"] == manifest["backbone"]
classes = json.loads(metadata["classes"])
columns = {"path": json.loads(metadata["path"]), "split": json.loads(metadata["split"]), "sha256": rows["sha256"],
           "label": tensors["labels"].tolist(), "view": tensors["views"].tolist(), "class": [classes[i] for i in tensors["labels"]]}
check("safetensors", columns, tensors["features"])

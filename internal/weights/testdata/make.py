"""Makes the golden files of this folder. Run it from anywhere:

    python3 -m pip install torch==2.15.0 numpy safetensors
    python3 internal/weights/testdata/make.py

expected.json holds what torch.load and safetensors see in each file: for each
tensor its element type, shape, bytes (little endian, row-major, hex) and, for
floating point, the bytes of tensor.float(). The tests demand equality to the
last bit: reading and widening are exact, and narrowing has one right answer.
half.json holds SHA-256 sums over all 65536 values of float16 and bfloat16
widened to float32, NaNs replaced by 0 (their payloads are nobody's contract).

The files hold nothing random but the addresses that legacy files use as keys.
"""

import collections
import hashlib
import io
import json
import pathlib
import zipfile

import numpy as np
import safetensors.torch
import torch

HERE = pathlib.Path(__file__).parent
NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}
expected = {}


def raw(t):
    t = t.detach().contiguous()
    return t.view(torch.int16).numpy().tobytes() if t.dtype == torch.bfloat16 else t.numpy().tobytes()


def expect(name, state, inside=""):
    entry = {"inside": inside, "tensors": {}}
    for key, t in state.items():
        d = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data": raw(t).hex()}
        if t.is_floating_point():
            d["float"] = raw(t.float()).hex()
        entry["tensors"][key] = d
    expected[name] = entry


def save(name, obj, state=None, inside="", **options):
    torch.save(obj, HERE / name, **options)
    torch.load(HERE / name, weights_only=False)  # which knows protocols 4 and 5 too
    expect(name, obj if state is None else state, inside)


def both(name, obj, state=None, inside=""):
    save(f"{name}.zip.pth", obj, state, inside)
    save(f"{name}.legacy.pth", obj, state, inside, _use_new_zipfile_serialization=False)


def rewrite(name, source, change, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(HERE / source) as old, zipfile.ZipFile(HERE / name, "w", method) as new:
        for item in old.infolist():
            info = zipfile.ZipInfo(item.filename)
            info.compress_type = method
            new.writestr(info, change(item.filename, old.read(item)))
    expected[name] = expected[source]


# Every element type, with the values that conversions get wrong.
doubles = [0.0, -0.0, 1 / 3, 1e300, -1e300, 1e-310, 2.0**-149, 2.0**-150, 1.5 * 2.0**-149, float("inf"), -float("inf"),
           1 + 2.0**-24, 1 + 3 * 2.0**-24, 3.4028235677973366e38, 3.4028235e38, 2.0**-126 - 2.0**-151]
halves = [0.0, -0.0, 2.0**-24, 2.0**-14, 65504.0, float("inf"), -float("inf"), 1 / 3, -1.5]
types = collections.OrderedDict()
types["f64"] = torch.tensor(doubles, dtype=torch.float64).reshape(2, 4, 2)
types["f32"] = torch.tensor([[1.5, -2.25, 1e-40], [3e38, float("inf"), -0.0]])
types["f16"] = torch.tensor(halves, dtype=torch.float16)
types["bf16"] = torch.tensor(halves, dtype=torch.bfloat16)
types["i64"] = torch.tensor([-(2**63), 2**63 - 1, 7])
types["i32"] = torch.tensor([-(2**31), 2**31 - 1], dtype=torch.int32)
types["i16"] = torch.tensor([[-32768], [32767]], dtype=torch.int16)
types["i8"] = torch.tensor([-128, 127], dtype=torch.int8)
types["u8"] = torch.tensor([0, 255], dtype=torch.uint8)
types["bool"] = torch.tensor([True, False, True])
types["scalar"] = torch.tensor(42)
types["empty"] = torch.zeros(0, 3)
both("types", types)
safetensors.torch.save_file(types, HERE / "types.safetensors", metadata={"format": "pt"})
expect("types.safetensors", types)

# Views of storages: strides, offsets, sharing.
base = torch.arange(24.0)
views = {
    "transposed": base.reshape(4, 6).t(),
    "permuted": base.reshape(2, 3, 4).permute(2, 0, 1),
    "stepped": base[1::5],
    "offset": base[20:],
    "whole": base,
    "expanded": base[3:5].reshape(2, 1).expand(2, 3),
    "one": torch.as_strided(base, (1, 4, 1), (77, 1, 99), 8),
    "parameter": torch.nn.Parameter(base[:6].reshape(2, 3)),
    "half": torch.arange(6, dtype=torch.float16).reshape(2, 3).t(),
    "empty": base[:0],
}
both("views", views)

# Checkpoints, as training scripts nest them.
net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
with torch.no_grad():
    for i, p in enumerate(net.parameters()):
        p.copy_(torch.arange(p.numel()).reshape(p.shape) + i + 0.5)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
net(torch.ones(1, 1, 2, 2)).sum().backward()
optimizer.step()
state = net.state_dict()
both("checkpoint", {"epoch": 3, "arch": "tiny", "best_acc1": torch.tensor(0.5), "lr": 0.1, "done": None, "flags": (True, [1, 2**40, -5]),
                    "optimizer": optimizer.state_dict(), "state_dict": state}, state, "state_dict")
both("model", {"model": {"model_state_dict": state}, "size": torch.Size([2, 3]), "dtype": torch.bfloat16, "device": torch.device("cpu")},
     state, "model.model_state_dict")
for protocol in (3, 4, 5):
    save(f"protocol{protocol}.zip.pth", state, pickle_protocol=protocol)
    save(f"protocol{protocol}.legacy.pth", state, pickle_protocol=protocol, _use_new_zipfile_serialization=False)

# Variants of the zip container.
rewrite("deflated.zip.pth", "types.zip.pth", lambda name, data: data, zipfile.ZIP_DEFLATED)
torch.serialization.set_crc32_options(False)
save("nocrc.zip.pth", {"w": torch.arange(3.0)})
torch.serialization.set_crc32_options(True)


def big(name, data):
    if name.endswith("/byteorder"):
        return b"big"
    if "/data/" in name:
        return np.frombuffer(data, "<f4").astype(">f4").tobytes()
    return data


save("plain.zip.pth", {"w": torch.arange(6.0).reshape(2, 3)})
rewrite("bigendian.zip.pth", "plain.zip.pth", big)
assert torch.equal(torch.load(HERE / "bigendian.zip.pth")["w"], torch.arange(6.0).reshape(2, 3))

# What must be refused.
torch.save(torch.nn.Linear(1, 1), HERE / "module.zip.refused")
torch.save(torch.nn.Linear(1, 1), HERE / "module.legacy.refused", _use_new_zipfile_serialization=False)
torch.save(torch.arange(3.0), HERE / "tensor.refused")
torch.save({"epoch": 1, "loss": 0.5}, HERE / "numbers.refused")

(HERE / "expected.json").write_text(json.dumps(expected, indent=0, sort_keys=True) + "\n")

every = np.arange(65536, dtype=np.uint16)
sums = {}
for name, wide in {
    "F16": torch.from_numpy(every.view(np.float16).copy()).float().numpy(),
    "BF16": torch.from_numpy(every.view(np.int16).copy()).view(torch.bfloat16).float().numpy(),
}.items():
    wide[np.isnan(wide)] = 0
    sums[name] = hashlib.sha256(wide.tobytes()).hexdigest()
(HERE / "half.json").write_text(json.dumps(sums) + "\n")

"""What the peers of headfit have in common: the data, the judgement in float64, and the JSON that they print."""

import json
import pathlib

import numpy as np


def load(folder):
    """x float32 [N, D], y int64 [N], and the same of val."""
    folder = pathlib.Path(folder)
    return tuple(np.load(folder / name) for name in ("x.npy", "y.npy", "val_x.npy", "val_y.npy"))


def objective(weight, bias, x, y, l2):
    """Mean cross entropy + l2/2·Σ weight² and its largest absolute derivative, in float64, block by block."""
    weight, bias = weight.astype(np.float64), bias.astype(np.float64)
    loss, gradient, gradient_bias = 0.0, np.zeros_like(weight), np.zeros_like(bias)
    for start in range(0, len(y), 1024):
        rows, labels = x[start:start + 1024].astype(np.float64), y[start:start + 1024]
        logits = rows @ weight.T + bias
        logits -= logits.max(1, keepdims=True)
        log_sum = np.log(np.exp(logits).sum(1, keepdims=True))
        each = np.arange(len(labels))
        loss += (log_sum[:, 0] - logits[each, labels]).sum()
        residual = np.exp(logits - log_sum)
        residual[each, labels] -= 1
        gradient += residual.T @ rows
        gradient_bias += residual.sum(0)
    gradient, gradient_bias = gradient / len(y) + l2 * weight, gradient_bias / len(y)
    value = loss / len(y) + l2 / 2 * (weight * weight).sum()
    return float(value), float(max(abs(gradient).max(), abs(gradient_bias).max()))


def peak_rss():
    """The largest resident memory of this process in bytes, as Linux counts it; 0 elsewhere."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except OSError:
        return 0


def report(options, measured, weight, bias, x, y, val_x, val_y):
    """Judge the head weight [K, D], bias [K] and print the measurement."""
    measured["all_seconds"] = seconds = measured.pop("seconds")
    measured["seconds"] = sorted(seconds)[len(seconds) // 2]
    measured.update(rows=len(y), features=x.shape[1], classes=len(bias), peak_rss_bytes=peak_rss())
    measured["objective"], measured["gradient_max"] = objective(weight, bias, x, y, measured["l2"])
    measured["val_accuracy"] = float(((val_x @ weight.T + bias).argmax(1) == val_y).mean())
    if options.json:
        print(json.dumps(measured))
        return
    print("{seconds:.3f} s, {iterations} iterations, {evaluations} evaluations; objective {objective:.9f}, "
          "largest derivative {gradient_max:.2g}, val accuracy {val_accuracy:.4f}; {mb:.0f} MB".format(mb=measured["peak_rss_bytes"] / 1e6, **measured))

"""Fits scikit-learn's LogisticRegression(solver="lbfgs") to what headfit make wrote, and prints the measurement.

    python sklearn_fit.py --data DIR [--dtype float32|float64] [--tolerance T] [--repeats R] --json

seconds are those of fit() alone; the features are in memory as dtype before. L2 is 1/N: C is 1, of two classes 2,
since scikit-learn then has one vector of weights where softmax has two, which are its halves.
"""

import argparse
import time

import numpy as np
import sklearn
import threadpoolctl
from sklearn.linear_model import LogisticRegression
from sklearn.linear_model._linear_loss import LinearModelLoss

import headdata


def count_evaluations():
    """Make LinearModelLoss count, in the list that this returns, how often its gradient was asked for."""
    calls, original = [], LinearModelLoss.loss_gradient

    def counted(self, *args, **kwargs):
        calls.append(1)
        return original(self, *args, **kwargs)

    LinearModelLoss.loss_gradient = counted
    return calls


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", required=True, help="folder that headfit make wrote")
    p.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    p.add_argument("--tolerance", type=float, default=1e-4)
    p.add_argument("--iterations", type=int, default=10_000)
    p.add_argument("--repeats", type=int, default=1)
    p.add_argument("--json", action="store_true")
    o = p.parse_args()
    x, y, val_x, val_y = headdata.load(o.data)
    if o.dtype == "float64":
        x = x.astype(np.float64)
    calls, seconds = count_evaluations(), []
    for _ in range(o.repeats):
        calls.clear()
        model = LogisticRegression(C=2.0 if y.max() == 1 else 1.0, tol=o.tolerance, max_iter=o.iterations)
        start = time.perf_counter()
        model.fit(x, y)
        seconds.append(time.perf_counter() - start)
    weight, bias = model.coef_, model.intercept_
    if len(bias) == 1:
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    headdata.report(o, dict(
        tool=f"scikit-learn {sklearn.__version__}", solver="lbfgs", dtype=o.dtype, l2=1 / len(y), tolerance=o.tolerance,
        threads=max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()), seconds=seconds,
        iterations=int(model.n_iter_[0]), evaluations=len(calls), converged=bool(model.n_iter_[0] < o.iterations),
    ), weight, bias, x, y, val_x, val_y)


if __name__ == "__main__":
    main()

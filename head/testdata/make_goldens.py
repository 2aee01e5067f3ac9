"""Writes torch.json and sklearn.json, the numbers that the tests of fx's head compare with.

    python -m venv venv && venv/bin/pip install numpy torch scikit-learn
    venv/bin/python make_goldens.py            # writes beside itself

Made with torch 2.15, scikit-learn 1.9. Features, labels, initial parameters,
orders and dropout masks come from one integer formula (bits), which golden_test.go
repeats, so that both sides start from the same bits.
"""
import json
import pathlib
import warnings

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

HERE = pathlib.Path(__file__).parent
MASK = 0xFFFFFFFF


def bits(stream, i):
    """32 well-mixed bits for the i-th number of a stream."""
    h = (stream * 0x9E3779B1 + i * 0x85EBCA77 + 1) & MASK
    for multiplier, shift in ((0x7FEB352D, 16), (0x846CA68B, 15)):
        h ^= h >> shift
        h = h * multiplier & MASK
    return h ^ h >> 16


def uniform(stream, count, scale=1.0):
    """Numbers in ±scale/2, exact in float32 where scale is a power of two."""
    return np.array([((bits(stream, i) >> 8) / 2**24 - 0.5) * scale for i in range(count)], dtype=np.float32)


FEATURES, LABELS, VAL_FEATURES, VAL_LABELS, WEIGHT, BIAS, DROPOUT = range(1, 8)


def labels(stream, count, classes):
    return np.array([bits(stream, i) % classes for i in range(count)], dtype=np.int64)


def order(epoch, count):
    """The order of the photos in an epoch: sorted by their bits."""
    return sorted(range(count), key=lambda i: bits(100 + epoch, i))


def dropout_mask(epoch, photo, width):
    return np.array([bits(DROPOUT, (epoch * 1000 + photo) * 1000 + i) & 1 for i in range(width)], dtype=np.float32)


SGD_CASES = [
    dict(name="linear", kind="linear", features=20, positions=1, classes=3, train=21, val=9, batch=8, epochs=3,
         lr=0.05, momentum=0.9, weight_decay=0.0, class_weights=None, dropout=False),
    dict(name="linear with weight decay and class weights", kind="linear", features=70, positions=1, classes=4,
         train=22, val=9, batch=8, epochs=3, lr=0.05, momentum=0.9, weight_decay=0.01,
         class_weights=[0.5, 2.0, 1.0, 1.5], dropout=False),
    dict(name="linear without momentum", kind="linear", features=20, positions=1, classes=3, train=21, val=9, batch=8,
         epochs=3, lr=0.05, momentum=0.0, weight_decay=0.0, class_weights=None, dropout=False),
    dict(name="conv1x1 with dropout", kind="conv1x1", features=6, positions=9, classes=3, train=14, val=9, batch=4,
         epochs=3, lr=0.5, momentum=0.9, weight_decay=0.0, class_weights=None, dropout=True),
    dict(name="conv1x1 of many classes", kind="conv1x1", features=5, positions=12, classes=20, train=14, val=9,
         batch=4, epochs=3, lr=0.5, momentum=0.9, weight_decay=0.001, class_weights=None, dropout=True),
]


def run_sgd(case):
    k, p, c, n, v = (case[name] for name in ("features", "positions", "classes", "train", "val"))
    conv = case["kind"] == "conv1x1"
    shape = (-1, k, p, 1) if conv else (-1, k)
    x, y = torch.from_numpy(uniform(FEATURES, n * k * p, 2).reshape(shape)), torch.from_numpy(labels(LABELS, n, c))
    vx, vy = torch.from_numpy(uniform(VAL_FEATURES, v * k * p, 2).reshape(shape)), torch.from_numpy(labels(VAL_LABELS, v, c))
    layer = torch.nn.Conv2d(k, c, 1) if conv else torch.nn.Linear(k, c)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(uniform(WEIGHT, c * k, 0.5)).reshape(layer.weight.shape))
        layer.bias.copy_(torch.from_numpy(uniform(BIAS, c, 0.5)))
    head = (lambda z: torch.relu(layer(z)).mean((2, 3))) if conv else layer
    weights = None if case["class_weights"] is None else torch.tensor(case["class_weights"])
    criterion = torch.nn.CrossEntropyLoss(weight=weights)
    optimizer = torch.optim.SGD(layer.parameters(), lr=case["lr"], momentum=case["momentum"], weight_decay=case["weight_decay"])
    epochs = []
    for epoch in range(1, case["epochs"] + 1):
        loss_sum, correct = 0.0, 0
        photos = order(epoch, n)
        for start in range(0, n, case["batch"]):
            batch = photos[start:start + case["batch"]]
            z = x[batch]
            if case["dropout"]:
                mask = np.stack([dropout_mask(epoch, photo, k * p) for photo in batch]).reshape(z.shape)
                z = z * torch.from_numpy(mask) * 2
            optimizer.zero_grad()
            logits = head(z)
            loss = criterion(logits, y[batch])
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(batch)
            correct += (logits.argmax(1) == y[batch]).sum().item()
        with torch.no_grad():
            logits = head(vx)
            epochs.append(dict(epoch=epoch, train_loss=loss_sum / n, train_accuracy=correct / n,
                               val_loss=torch.nn.functional.cross_entropy(logits, vy).item(),
                               val_accuracy=(logits.argmax(1) == vy).sum().item() / v))
    return dict(case, result=epochs, weight=layer.weight.flatten().tolist(), bias=layer.bias.tolist())


def run_logistic(rows, k, c, l2, balanced):
    x, y = uniform(FEATURES, rows * k, 2).reshape(rows, k).astype(np.float64), labels(LABELS, rows, c)
    # A two-class LogisticRegression has one vector w where softmax has two, ±w/2:
    # the same penalty on it is half as large, so its C is twice as large.
    strength = (2 if c == 2 else 1) / (l2 * rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LogisticRegression(C=strength, tol=1e-12, max_iter=100_000, class_weight="balanced" if balanced else None).fit(x, y)
    coef, intercept = model.coef_, model.intercept_
    if c == 2:
        coef, intercept = np.concatenate([-coef / 2, coef / 2]), np.concatenate([-intercept / 2, intercept / 2])
    return dict(rows=rows, features=k, classes=c, l2=l2, balanced=balanced, weight=coef.flatten().tolist(),
                bias=intercept.tolist(), probabilities=model.predict_proba(x).flatten().tolist())


def run_metrics():
    """A head of formula weights on formula features; class 3 never occurs, class 4 is never predicted."""
    rows, k, c = 60, 8, 5
    x, y = uniform(FEATURES, rows * k, 2).reshape(rows, k).astype(np.float64), labels(LABELS, rows, c)
    y[y == 3] = 4
    w, b = uniform(WEIGHT, c * k, 4).reshape(c, k).astype(np.float64), uniform(BIAS, c, 1).astype(np.float64)
    b[4] = -100
    logits = x @ w.T + b
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    predicted = probabilities.argmax(1)
    precision, recall, f1, support = precision_recall_fscore_support(y, predicted, labels=range(c), zero_division=0)
    loss = float(-np.log(probabilities[np.arange(rows), y]).mean())
    return dict(rows=rows, features=k, classes=c, accuracy=accuracy_score(y, predicted), loss=loss,
                precision=precision.tolist(), recall=recall.tolist(), f1=f1.tolist(), support=support.tolist(),
                confusion=confusion_matrix(y, predicted, labels=range(c)).tolist(),
                probability=probabilities.max(1).tolist())


def main():
    torch.set_num_threads(1)
    (HERE / "torch.json").write_text(json.dumps([run_sgd(case) for case in SGD_CASES], indent=0) + "\n")
    logistic = [run_logistic(40, 12, 3, 0.05, False), run_logistic(30, 40, 4, 1 / 30, True), run_logistic(50, 10, 2, 0.02, False)]
    (HERE / "sklearn.json").write_text(json.dumps(dict(logistic=logistic, metrics=run_metrics()), indent=0) + "\n")


if __name__ == "__main__":
    main()

"""Writes crossvalidation.json and labelissues.json, what scikit-learn and cleanlab say of the same numbers.

    python -m venv venv && venv/bin/pip install numpy scikit-learn cleanlab
    venv/bin/python make_crossvalidation.py    # writes beside itself

Made with scikit-learn 1.9.1, cleanlab 2.9.0. Features are those of the integer formula of
make_goldens.py, moved apart by class; photo i is of fold i mod folds.
"""
import json
import pathlib
import warnings

import numpy as np
from cleanlab.filter import find_label_issues
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import PredefinedSplit, cross_val_predict

HERE = pathlib.Path(__file__).parent
MASK = 0xFFFFFFFF


def bits(stream, i):
    """make_goldens.py's."""
    h = (stream * 0x9E3779B1 + i * 0x85EBCA77 + 1) & MASK
    for multiplier, shift in ((0x7FEB352D, 16), (0x846CA68B, 15)):
        h ^= h >> shift
        h = h * multiplier & MASK
    return h ^ h >> 16


def features(rows, k, y):
    """Uniform in ±1, and 0.5 more of the feature with the number of the class."""
    x = np.array([((bits(1, i) >> 8) / 2**24 - 0.5) * 2 for i in range(rows * k)], dtype=np.float32).reshape(rows, k)
    x[np.arange(rows), y] += np.float32(0.5)
    return x.astype(np.float64)


def cross_validate(rows, k, classes, folds, penalties):
    y = np.array([bits(2, i) % classes for i in range(rows)])
    x, split = features(rows, k, y), PredefinedSplit(np.arange(rows) % folds)
    assert rows % folds == 0  # so that one C is one penalty in every fold
    # C = 1/(λ·rows), twice that for two classes: see make_goldens.py.
    strengths = [(2 if classes == 2 else 1) / (l2 * (rows - rows // folds)) for l2 in penalties]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        searched = LogisticRegressionCV(Cs=strengths, cv=split, scoring="neg_log_loss", tol=1e-12, max_iter=100_000,
                                        use_legacy_attributes=True).fit(x, y)
    best = int(np.argmin(np.abs(np.array(strengths) - np.ravel(searched.C_)[0])))
    scores = np.mean(next(iter(searched.scores_.values())), axis=0)
    model = LogisticRegression(C=strengths[best], tol=1e-12, max_iter=100_000)
    held_out = cross_val_predict(model, x, y, cv=split, method="predict_proba")
    predicted = held_out.argmax(1)
    return dict(rows=rows, features=k, classes=classes, folds=folds, penalties=penalties, best=best, losses=(-scores).tolist(),
                probabilities=held_out.flatten().tolist(), accuracy=accuracy_score(y, predicted),
                confusion=confusion_matrix(y, predicted).tolist())


def label_issues(rows, classes, missing):
    """Probabilities that mostly favour the label; no photo is labelled with the class missing."""
    random = np.random.default_rng(rows)
    labels = random.choice([c for c in range(classes) if c != missing], rows)
    probabilities = random.dirichlet(np.full(classes, 0.5), rows)
    liked = random.random(rows) < 0.7
    probabilities[liked, labels[liked]] += 1
    probabilities = np.round(probabilities / probabilities.sum(1, keepdims=True), 6)
    found = find_label_issues(labels, probabilities, filter_by="confident_learning", return_indices_ranked_by="normalized_margin")
    return dict(classes=classes, labels=labels.tolist(), probabilities=probabilities.flatten().tolist(), issues=found.tolist())


def main():
    penalties = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001]
    cases = [cross_validate(90, 6, 3, 5, penalties), cross_validate(80, 10, 2, 4, penalties), cross_validate(60, 20, 4, 3, penalties)]
    (HERE / "crossvalidation.json").write_text(json.dumps(cases, indent=0) + "\n")
    issues = [label_issues(80, 4, None), label_issues(60, 2, None), label_issues(90, 5, 3)]
    (HERE / "labelissues.json").write_text(json.dumps(issues, indent=0) + "\n")


if __name__ == "__main__":
    main()

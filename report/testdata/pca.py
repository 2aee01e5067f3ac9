"""Writes pca.json: points and where scikit-learn's PCA lays them.

    python3 report/testdata/pca.py
"""

import json
import pathlib

import numpy as np
from sklearn.decomposition import PCA

rng = np.random.default_rng(0)
cases = []
for rows, width in ((12, 40), (40, 12), (25, 25)):
    # Few strong directions in noise, off the origin, as features are.
    x = rng.normal(size=(rows, 3)) * [5, 3, 1] @ rng.normal(size=(3, width)) + rng.normal(size=(rows, width)) * 0.3 + 2
    x = x.astype(np.float32)
    pca = PCA(n_components=2, svd_solver="full")
    scores = pca.fit_transform(x.astype(np.float64))
    cases.append({
        "rows": [[float(v) for v in row] for row in x],
        "x": scores[:, 0].tolist(),
        "y": scores[:, 1].tolist(),
        "explained": pca.explained_variance_ratio_.tolist(),
    })
path = pathlib.Path(__file__).with_name("pca.json")
path.write_text(json.dumps(cases) + "\n")

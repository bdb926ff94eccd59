"""Writes wide.json: fits of scikit-learn on more columns than rows that package linear
must reproduce, in the form of reference.json.

Run in the repository's root: python models/linear/testdata/wide.py > models/linear/testdata/wide.json
The versions used are in the file.
"""

import json

import numpy as np
import scipy
import sklearn
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge

rng = np.random.default_rng(8)
rows, cols = 20, 50
data, regression = {}, []


def add(name, x):
    y = 50 + x @ rng.normal(size=cols) + rng.normal(size=rows)
    data[name] = {"x": x.tolist(), "y": y.tolist(), "mean": x.mean(axis=0).tolist(), "scale": [1.0] * cols}
    return name, x, y


plain = rng.normal(size=(rows, cols))
sizes = plain * 10 ** rng.uniform(-3, 3, cols) + 10 ** rng.uniform(-1, 3, cols)
twice = plain + 3
twice[:, cols // 2:] = 2 * twice[:, : cols // 2]
twice[:, 7] = 5
twice[9] = twice[4]  # two equal rows: without a penalty their mean target is met
nearly = plain + 1
nearly[9] = nearly[4] + 1e-6 * rng.normal(size=cols)
for name, x, y in (add("plain", plain), add("sizes", sizes), add("equal rows and columns", twice), add("nearly equal rows", nearly)):
    for weighted in (False, True):
        w = 0.5 + np.arange(rows) % 3 if weighted else None
        for alpha in (0.0, 1e-9, 1e-3, 1.0, 1e4):
            if alpha == 0 and name == "nearly equal rows":
                continue  # scikit-learn cuts singular values off elsewhere
            if alpha == 1e-9 and name == "equal rows and columns":
                continue  # scikit-learn loses digits: one row of both rows' weight and mean target tells
            m = (Ridge(alpha=alpha, solver="svd") if alpha > 0 else LinearRegression()).fit(x, y, sample_weight=w)
            regression.append({
                "name": f"{name}, alpha {alpha:g}{', weights' if weighted else ''}", "kind": "ridge" if alpha > 0 else "linear_regression",
                "data": name, "scaled": False, "alpha": alpha, "l1ratio": 0.0, "weights": None if w is None else w.tolist(),
                "coef": m.coef_.tolist(), "intercept": float(m.intercept_), "predict": m.predict(x[::10]).tolist(),
            })
for name, x, y in (("plain", plain, np.array(data["plain"]["y"])), ("nearly equal rows", nearly, np.array(data["nearly equal rows"]["y"]))):
    for weighted in (False, True):
        w = 0.5 + np.arange(rows) % 3 if weighted else None
        for alpha, ratio in ((0.3, 1.0), (0.03, 1.0), (0.3, 0.5), (0.03, 0.1)):
            m = ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-15, max_iter=10**7).fit(x, y, sample_weight=w)
            regression.append({
                "name": f"{name}, alpha {alpha:g}, l1_ratio {ratio:g}{', weights' if weighted else ''}", "kind": "elastic_net",
                "data": name, "scaled": False, "alpha": alpha, "l1ratio": ratio, "weights": None if w is None else w.tolist(),
                "coef": m.coef_.tolist(), "intercept": float(m.intercept_), "predict": m.predict(x[::10]).tolist(),
            })
versions = {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
print(json.dumps({"versions": versions, "data": data, "regression": regression}))

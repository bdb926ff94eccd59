"""Writes reference.json: fits of scikit-learn that package linear must reproduce.

Run in the repository's root: python models/linear/testdata/reference.py > models/linear/testdata/reference.json
The versions used are in the file. Every problem is solved to the last digits
(tol far below the default), with the solver that gets there: newton-cholesky
and saga minimise the same objective as lbfgs. A case on scaled data is fitted on
(x - mean)/scale with the data set's mean and scale, which are in the file.
"""

import csv
import json
import sys
import warnings

import numpy as np
import scipy
import sklearn
from sklearn import datasets
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge

warnings.simplefilter("error")  # a fit that didn't converge is no reference
rng = np.random.default_rng(7)
data, logistic, regression = {}, [], []


def add(name, x, y):
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    scale = x.std(axis=0)
    scale[scale == 0] = 1
    data[name] = {"x": x.tolist(), "y": y.tolist(), "mean": x.mean(axis=0).tolist(), "scale": scale.tolist()}


def rows_of(name, rows, scaled):
    d = data[name]
    x = np.array(d["x"])
    if scaled:
        x = (x - np.array(d["mean"])) / np.array(d["scale"])
    rows = list(range(len(x))) if rows is None else list(rows)
    return x[rows], np.array(d["y"])[rows], x


def fit_logistic(name, source, rows=None, scaled=False, c=1.0, balanced=False, l1_ratio=0.0, weights=None):
    x, y, every = rows_of(source, rows, scaled)
    w = None if weights is None else 0.5 + np.arange(len(y)) % 3
    m = LogisticRegression(
        C=np.inf if c is None else c, class_weight="balanced" if balanced else None, l1_ratio=l1_ratio,
        solver="newton-cholesky" if l1_ratio == 0 else "saga", tol=1e-13, max_iter=10**7, random_state=0,
    ).fit(x, y, sample_weight=w)
    logistic.append({
        "name": name, "data": source, "rows": None if rows is None else list(rows), "scaled": scaled, "classes": int(data[source]["y"].__len__() and max(data[source]["y"])) + 1,
        "penalty": "none" if c is None else "l2" if l1_ratio == 0 else "l1" if l1_ratio == 1 else "elastic_net",
        "c": c or 0, "l1ratio": l1_ratio, "balanced": balanced, "weights": None if w is None else w.tolist(),
        "present": m.classes_.astype(int).tolist(), "coef": m.coef_.ravel().tolist(), "intercept": m.intercept_.tolist(),
        "proba": m.predict_proba(every[::10]).tolist(),  # of rows 0, 10, 20, …
    })
    print(name, m.n_iter_, file=sys.stderr)


def fit_regression(name, source, kind, scaled=False, alpha=0.0, l1_ratio=0.0, weights=None):
    x, y, every = rows_of(source, None, scaled)
    w = None if weights is None else 0.5 + np.arange(len(y)) % 3
    exact = {"tol": 1e-13, "max_iter": 10**7}
    m = {
        "linear_regression": lambda: LinearRegression(),
        "ridge": lambda: Ridge(alpha=alpha, solver="svd"),
        "lasso": lambda: Lasso(alpha=alpha, **exact),
        "elastic_net": lambda: ElasticNet(alpha=alpha, l1_ratio=l1_ratio, **exact),
    }[kind]().fit(x, y, sample_weight=w)
    regression.append({
        "name": f"{kind}, {name}", "kind": kind, "data": source, "scaled": scaled, "alpha": alpha, "l1ratio": l1_ratio,
        "weights": None if w is None else w.tolist(),
        "coef": m.coef_.tolist(), "intercept": float(m.intercept_), "predict": m.predict(every[::10]).tolist(),
    })


iris, cancer, wine, diabetes = (f() for f in (datasets.load_iris, datasets.load_breast_cancer, datasets.load_wine, datasets.load_diabetes))
add("iris", iris.data, iris.target)
add("breast cancer", cancer.data, cancer.target)
add("wine", wine.data, wine.target)
add("diabetes", diabetes.data, diabetes.target)
with open("data/raw/california-housing.csv", encoding="utf-8") as f:
    table = list(csv.DictReader(f))
pick = rng.choice(len(table), 400, replace=False)
columns = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]
add("california", [[float(table[i][c]) for c in columns] for i in pick], [float(table[i]["MedHouseVal"]) for i in pick])
n = 60
numbers = rng.normal(size=(n, 5)) * [1, 10, 0.1, 1000, 1] + [0, 5, 0, -300, 1]
numbers[:, 4] = numbers[:, 0] + 0.05 * rng.normal(size=n)  # nearly dependent
add("sizes", numbers, 3 + numbers @ [1, -0.2, 4, 0.003, -2] + rng.normal(size=n))
nearly = rng.normal(size=(n, 4)) + 3
nearly[:, 3] = nearly[:, 0] + nearly[:, 1] + 1e-4 * rng.normal(size=n)
add("nearly collinear", nearly, nearly @ [1, 2, -1, 0.5] + 0.1 * rng.normal(size=n))
add("nearly collinear classes", nearly, (nearly @ [1, 2, -1, 0.5] + rng.normal(size=n) > 7.5).astype(int))
collinear = rng.normal(size=(n, 5)) * [1, 2, 1, 1, 1]
collinear[:, 2] = collinear[:, 0]
collinear[:, 3] = 2 * collinear[:, 0] - collinear[:, 1]
collinear[:, 4] = 7  # constant
add("collinear", collinear, collinear @ [1, 2, -1, 0.5, 0] + rng.normal(size=n))
add("wide", rng.normal(size=(20, 35)), rng.normal(size=20))

unequal = list(range(0, 50)) + list(range(50, 65)) + list(range(100, 130))
fit_logistic("three classes", "iris")
fit_logistic("three classes, strong penalty", "iris", c=0.01)
fit_logistic("three classes, unequal", "iris", unequal)
fit_logistic("three classes, unequal, balanced", "iris", unequal, balanced=True)
fit_logistic("three classes, weights", "iris", weights=True)
fit_logistic("three classes, weights, balanced", "iris", unequal, weights=True, balanced=True)
fit_logistic("two classes", "iris", range(50, 150))
fit_logistic("two classes, no penalty", "iris", range(50, 150), c=None)
fit_logistic("two classes, unequal, balanced", "iris", list(range(50, 65)) + list(range(100, 150)), c=10.0, balanced=True)
fit_logistic("separable, the middle class missing", "iris", list(range(0, 50)) + list(range(100, 150)))
fit_logistic("separable, weak penalty", "iris", range(0, 100), c=1000.0)
fit_logistic("breast cancer as it is", "breast cancer")
fit_logistic("breast cancer as it is, weak penalty", "breast cancer", c=1e4)
fit_logistic("breast cancer scaled", "breast cancer", scaled=True)
fit_logistic("breast cancer scaled, strong penalty", "breast cancer", scaled=True, c=1e-3)
fit_logistic("breast cancer scaled, L1", "breast cancer", scaled=True, l1_ratio=1.0)
fit_logistic("breast cancer scaled, L1, strong", "breast cancer", scaled=True, l1_ratio=1.0, c=0.03)
fit_logistic("breast cancer scaled, elastic net, balanced", "breast cancer", scaled=True, l1_ratio=0.5, c=0.1, balanced=True)
fit_logistic("wine as it is", "wine")
fit_logistic("wine scaled", "wine", scaled=True)
fit_logistic("wine scaled, L1", "wine", scaled=True, l1_ratio=1.0, c=0.5)
fit_logistic("wine scaled, elastic net, weights", "wine", scaled=True, l1_ratio=0.3, weights=True)
fit_logistic("iris scaled, L1", "iris", scaled=True, l1_ratio=1.0)
fit_logistic("nearly collinear", "nearly collinear classes", c=100.0)

for source in ("diabetes", "california", "sizes", "nearly collinear", "collinear", "wide"):
    fit_regression(source, source, "linear_regression")
    for alpha in (0.0, 1e-3, 1.0, 100.0):
        if alpha > 0 or source not in ("collinear", "wide"):
            fit_regression(f"{source}, alpha {alpha:g}", source, "ridge", alpha=alpha)
fit_regression("diabetes, weights", "diabetes", "linear_regression", weights=True)
fit_regression("diabetes, weights", "diabetes", "ridge", weights=True, alpha=0.5)
for source, scaled in (("diabetes", False), ("diabetes", True), ("california", True), ("sizes", True)):
    for alpha in (0.01, 0.3):
        fit_regression(f"{source}{' scaled' if scaled else ''}, alpha {alpha:g}", source, "lasso", scaled=scaled, alpha=alpha)
        fit_regression(f"{source}{' scaled' if scaled else ''}, alpha {alpha:g}", source, "elastic_net", scaled=scaled, alpha=alpha, l1_ratio=0.4)
fit_regression("collinear", "collinear", "elastic_net", alpha=0.1, l1_ratio=0.5)
fit_regression("wide", "wide", "elastic_net", alpha=0.1, l1_ratio=0.5)
fit_regression("wide", "wide", "lasso", alpha=0.1)
fit_regression("all zero", "wide", "lasso", alpha=1e3)
fit_regression("diabetes scaled, weights", "diabetes", "lasso", scaled=True, alpha=1.0, weights=True)

json.dump(
    {
        "versions": {"python": sys.version.split()[0], "scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
        "data": data, "logistic": logistic, "regression": regression,
    },
    sys.stdout, indent=None, separators=(",", ":"),
)
print()

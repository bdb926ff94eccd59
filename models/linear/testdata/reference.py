"""Writes reference.json: fits of scikit-learn that our linear models must reproduce.

Run: python reference.py > reference.json
The versions used are in the file. newton-cholesky minimises the same objective as
lbfgs and converges to the last digits.
"""
import json
import sys

import numpy as np
import sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge

iris = load_iris()
rng = np.random.default_rng(7)
n = 60
numbers = rng.normal(size=(n, 5)) * [1, 10, 0.1, 1000, 1] + [0, 5, 0, -300, 1]
numbers[:, 4] = numbers[:, 0] + 0.05 * rng.normal(size=n)  # nearly dependent
price = 3 + numbers @ [1, -0.2, 4, 0.003, -2] + rng.normal(size=n)

data = {
    "iris": {"x": iris.data.tolist(), "y": iris.target.tolist()},
    "numbers": {"x": numbers.tolist(), "y": price.tolist()},
}

logistic = []


def fit_logistic(name, rows, c=1.0, balanced=False):
    rows = list(rows)
    m = LogisticRegression(C=c, class_weight="balanced" if balanced else None, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    m.fit(iris.data[rows], iris.target[rows])
    logistic.append({
        "name": name, "data": "iris", "rows": rows, "classes": 3, "c": c, "balanced": balanced,
        "present": m.classes_.tolist(), "coef": m.coef_.ravel().tolist(), "intercept": m.intercept_.tolist(),
        "proba": m.predict_proba(iris.data[:150:10]).tolist(),  # of rows 0, 10, 20, …
    })


fit_logistic("three classes", range(150))
fit_logistic("three classes, strong penalty", range(150), c=0.01)
fit_logistic("three classes, unequal", list(range(0, 50)) + list(range(50, 65)) + list(range(100, 130)))
fit_logistic("three classes, unequal, balanced", list(range(0, 50)) + list(range(50, 65)) + list(range(100, 130)), balanced=True)
fit_logistic("two classes", range(50, 150))
fit_logistic("two classes, unequal, balanced", list(range(50, 65)) + list(range(100, 150)), c=10.0, balanced=True)
fit_logistic("two classes, the middle one missing", list(range(0, 50)) + list(range(100, 150)))

ridge = []
for alpha in (0.0, 1.0, 100.0):
    m = Ridge(alpha=alpha, solver="svd").fit(numbers, price)
    ridge.append({"name": f"alpha {alpha:g}", "data": "numbers", "alpha": alpha, "coef": m.coef_.tolist(),
                  "intercept": m.intercept_, "predict": m.predict(numbers).tolist()})

json.dump({
    "versions": {"python": sys.version.split()[0], "scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "data": data, "logistic": logistic, "ridge": ridge,
}, sys.stdout, indent=None, separators=(",", ":"))
print()

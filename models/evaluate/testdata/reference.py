"""Writes reference.json: scikit-learn's values for the metrics of package evaluate.

Run: python reference.py > reference.json
null stands for a value that scikit-learn gives as NaN.
"""

import json
import math
import platform
import sys
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.simplefilter("ignore")
rng = np.random.default_rng(20260301)
cases = []


def clean(v):
    v = float(v)
    return None if math.isnan(v) else v


def classification(name, y, values, proba, positive=-1):
    y, values, proba = np.asarray(y), np.asarray(values), np.asarray(proba, dtype=float)
    k = proba.shape[1]
    labels = list(range(k))
    out = {
        "accuracy": m.accuracy_score(y, values),
        "balanced_accuracy": m.balanced_accuracy_score(y, values),
        "log_loss": m.log_loss(y, proba, labels=labels),
    }
    for name, f in (("precision", m.precision_score), ("recall", m.recall_score), ("f1", m.f1_score), ("jaccard", m.jaccard_score)):
        for average in ("macro", "weighted", "micro"):
            out[f"{name}_{average}"] = f(y, values, average=average)
    out["matthews_corrcoef"] = m.matthews_corrcoef(y, values)
    out["cohen_kappa"] = m.cohen_kappa_score(y, values)
    if k == 2:
        score = proba[:, positive]
        kw = {"pos_label": positive, "average": "binary", "labels": [0, 1]}
        out["roc_auc"] = m.roc_auc_score((y == positive).astype(int), score)
        out["average_precision"] = m.average_precision_score(y, score, pos_label=positive)
        out["brier_score_loss"] = m.brier_score_loss((y == positive).astype(int), score, pos_label=1)
        for name in ("roc_auc_ovr", "roc_auc_ovo", "roc_auc_ovr_weighted", "roc_auc_ovo_weighted"):
            out[name] = out["roc_auc"]  # roc_auc_score ignores multi_class for two classes
    else:
        kw = {"average": "macro"}
        out["roc_auc"] = m.roc_auc_score(y, proba, multi_class="ovr", average="macro", labels=labels)
        out["brier_score_loss"] = m.brier_score_loss(y, proba, labels=labels)
        out["top_k_accuracy"] = m.top_k_accuracy_score(y, proba, k=2, labels=labels)
        for strategy in ("ovr", "ovo"):
            out[f"roc_auc_{strategy}"] = m.roc_auc_score(y, proba, multi_class=strategy, average="macro", labels=labels)
            if len(set(y)) == k:
                out[f"roc_auc_{strategy}_weighted"] = m.roc_auc_score(y, proba, multi_class=strategy, average="weighted", labels=labels)
        if len(set(y)) == k:
            out["average_precision"] = m.average_precision_score(y, proba)
    out["jaccard"] = m.jaccard_score(y, values, **kw)
    out["precision"] = m.precision_score(y, values, **kw)
    out["recall"] = m.recall_score(y, values, **kw)
    out["f1"] = m.f1_score(y, values, **kw)
    cases.append(
        {
            "name": name,
            "task": "classification",
            "classes": k,
            "positive": positive,
            "y": [float(v) for v in y],
            "values": [float(v) for v in values],
            "proba": [float(v) for v in proba.ravel()],
            "metrics": {key: clean(v) for key, v in out.items()},
        }
    )


def regression(name, y, values):
    y, values = np.asarray(y, dtype=float), np.asarray(values, dtype=float)
    out = {
        "rmse": m.root_mean_squared_error(y, values),
        "mean_squared_error": m.mean_squared_error(y, values),
        "mean_absolute_error": m.mean_absolute_error(y, values),
        "median_absolute_error": m.median_absolute_error(y, values),
        "mean_absolute_percentage_error": m.mean_absolute_percentage_error(y, values),
        "r2": m.r2_score(y, values),
        "explained_variance": m.explained_variance_score(y, values),
        "max_error": m.max_error(y, values),
        "d2_absolute_error_score": m.d2_absolute_error_score(y, values),
        "mean_pinball_loss": m.mean_pinball_loss(y, values),
    }
    for key, f in (
        ("mean_squared_log_error", m.mean_squared_log_error), ("root_mean_squared_log_error", m.root_mean_squared_log_error),
        ("mean_poisson_deviance", m.mean_poisson_deviance), ("mean_gamma_deviance", m.mean_gamma_deviance),
    ):
        try:
            out[key] = f(y, values)
        except ValueError:  # numbers that it isn't defined for
            out[key] = math.nan
    cases.append(
        {
            "name": name,
            "task": "regression",
            "y": y.tolist(),
            "values": values.tolist(),
            "metrics": {key: clean(v) for key, v in out.items()},
        }
    )


def two(p, positive=1):
    p = np.asarray(p, dtype=float)
    return np.column_stack([1 - p, p] if positive == 1 else [p, 1 - p])


n = 60
y = rng.integers(0, 2, n)
p = np.clip(0.5 * y + rng.uniform(-0.2, 0.7, n), 0, 1)
classification("binary", y, (p >= 0.5).astype(int), two(p), 1)
classification("binary, positive class first", y, (p >= 0.5).astype(int), two(p), 0)
tied = np.round(p * 4) / 4
classification("binary, tied scores", y, (tied >= 0.5).astype(int), two(tied), 1)
classification("binary, all scores equal", y, np.zeros(n, int), two(np.full(n, 0.3)), 1)
hard = np.where(rng.uniform(size=n) < 0.8, y, 1 - y).astype(float)
classification("binary, probabilities 0 and 1, some wrong", y, hard.astype(int), two(hard), 1)
classification("binary, perfect", y, y, two(y), 1)
classification("binary, no positive predicted", y, np.zeros(n, int), two(p * 0.4), 1)
classification("binary, no positive row", np.zeros(8, int), [0, 0, 1, 0, 0, 0, 0, 0], two(p[:8]), 1)
classification("binary, no negative row", np.ones(8, int), [1, 1, 0, 1, 1, 1, 1, 1], two(p[:8]), 1)
classification("binary, nothing positive at all", np.zeros(4, int), np.zeros(4, int), two(p[:4] * 0.3), 1)
classification("binary, one row", [1], [0], two([0.4]), 1)

n = 90
y = rng.integers(0, 4, n)
q = rng.dirichlet(np.ones(4), n) + 0.8 * np.eye(4)[y] * rng.uniform(size=(n, 1))
q /= q.sum(axis=1, keepdims=True)
classification("four classes", y, q.argmax(axis=1), q)
coarse = np.round(q * 5) + 0.2
coarse /= coarse.sum(axis=1, keepdims=True)
classification("four classes, tied scores", y, coarse.argmax(axis=1), coarse)
some = y != 2
classification("four classes, one missing in the truth", y[some], q[some].argmax(axis=1), q[some])
never = q.copy()
never[:, 3] = 0
never /= never.sum(axis=1, keepdims=True)
classification("four classes, one never predicted", y, never.argmax(axis=1), never)
classification("four classes, perfect", y, y, np.eye(4)[y])
classification("four classes, one answer", y, np.full(n, 1), q)
classification("four classes, all of one class", np.full(9, 2), [2, 2, 1, 0, 2, 2, 3, 2, 2], q[:9])
classification("four classes, one missing on both sides", y[some], np.where(q[some].argmax(axis=1) == 2, 0, q[some].argmax(axis=1)), q[some])

n = 50
y = rng.normal(3, 2, n)
f = y + rng.normal(0, 0.7, n)
regression("regression", y, f)
regression("regression, even number of rows, tied errors", [1, 2, 3, 4], [2, 3, 5, 6])
regression("regression, perfect", y, y)
regression("regression, constant truth", np.full(6, 2.0), [1, 2, 3, 2, 2, 2])
regression("regression, constant truth, perfect", np.full(6, 2.0), np.full(6, 2.0))
regression("regression, zeros in the truth", [0, 0, 1, -2], [0.5, 0, 1.5, -1])
regression("regression, one row", [2], [2.5])
regression("regression, positive numbers", np.exp(rng.normal(1, 1, 31)), np.exp(rng.normal(1, 1, 31)))
regression("regression, counts with zeros", rng.poisson(1.5, 40), rng.uniform(0.2, 3, 40))
regression("regression, constant error", [1, 2, 4], [3, 4, 6])
regression("regression, -1 in the truth", [-1, 2, 4], [3, 4, 6])
regression("regression, worse than the mean", [1, 2, 3], [9, -4, 12])

json.dump(
    {
        "versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "cases": cases,
    },
    sys.stdout,
    separators=(",", ":"),
)

"""Writes curves.json: scikit-learn's curves, which package evaluate draws.

Run: python curves.py > curves.json
"""

import json
import platform
import sys

import numpy as np
import sklearn
from sklearn import metrics as m
from sklearn.calibration import calibration_curve

rng = np.random.default_rng(20261101)
cases = []


def case(name, y, score):
    y, score = np.asarray(y), np.asarray(score, dtype=float)
    fpr, tpr, thresholds = m.roc_curve(y, score)
    precision, recall, pr_thresholds = m.precision_recall_curve(y, score, drop_intermediate=True)
    observed, predicted = calibration_curve(y, score, n_bins=10)
    cases.append(
        {
            "name": name,
            "y": [int(v) for v in y],
            "score": [float(v) for v in score],
            "fpr": fpr.tolist(),
            "tpr": tpr.tolist(),
            "thresholds": thresholds[1:].tolist(),
            "auc": m.roc_auc_score(y, score),
            "precision": precision[::-1].tolist(),
            "recall": recall[::-1].tolist(),
            "pr_thresholds": pr_thresholds[::-1].tolist(),
            "ap": m.average_precision_score(y, score),
            "predicted": predicted.tolist(),
            "observed": observed.tolist(),
        }
    )


for name, n, digits in (("smooth", 200, 17), ("with ties", 300, 1), ("few rows", 7, 2)):
    y = rng.integers(0, 2, n)
    y[:2] = (0, 1)
    case(name, y, np.round(1 / (1 + np.exp(-(1.5 * y - 0.75 + rng.normal(size=n)))), digits))
case("perfect", [0, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.8, 0.9])
case("upside down", [1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9])
case("all the same", [1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])
case("bin edges", [0, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1], np.linspace(0, 1, 11))

json.dump(
    {
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__},
        "cases": cases,
    },
    sys.stdout,
    indent=1,
)
print()

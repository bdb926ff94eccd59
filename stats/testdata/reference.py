"""Writes reference.json: percentile bootstrap intervals by SciPy and percentiles by NumPy.

Run: python reference.py > reference.json
SciPy draws other resamples than package stats, so the intervals agree only
within Monte Carlo error; the percentiles agree to rounding.
"""

import json
import platform
import sys

import numpy as np
import scipy
from scipy.stats import bootstrap

rng = np.random.default_rng(7)
cases = []


def case(name, columns, statistic):
    columns = [np.asarray(c, dtype=float) for c in columns]
    r = bootstrap(
        columns, statistic, paired=True, vectorized=False, n_resamples=20000, confidence_level=0.95,
        method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval
    cases.append({"name": name, "columns": [c.tolist() for c in columns], "low": float(r.low), "high": float(r.high)})


x = rng.exponential(2, 80)
case("mean", [x], np.mean)
case("standard deviation", [x], np.std)
y = rng.normal(0, 1, 120)
a = y + rng.normal(0, 0.8, 120)
b = y + rng.normal(0.2, 0.9, 120)
case("difference of rmse", [y, a, b], lambda y, a, b: np.sqrt(np.mean((y - a) ** 2)) - np.sqrt(np.mean((y - b) ** 2)))
hit_a = (rng.uniform(size=30) < 0.9).astype(float)
hit_b = np.where(rng.uniform(size=30) < 0.8, hit_a, 1 - hit_a)
case("difference of accuracy", [hit_a, hit_b], lambda a, b: np.mean(a) - np.mean(b))

v = np.sort(rng.normal(size=11))
q = [0, 0.025, 0.1, 0.5, 0.73, 0.975, 1]
json.dump(
    {
        "versions": {"python": platform.python_version(), "scipy": scipy.__version__, "numpy": np.__version__},
        "bootstrap": cases,
        "percentiles": {"sorted": v.tolist(), "q": q, "want": np.quantile(v, q).tolist()},
    },
    sys.stdout,
    separators=(",", ":"),
)

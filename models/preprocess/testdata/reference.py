"""Writes reference.json: what scikit-learn's preprocessing makes of a small table.

Run: python reference.py > reference.json
The versions used are in the file.
"""
import json
import math
import sys

import numpy as np
import scipy
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, PowerTransformer, RobustScaler, StandardScaler, TargetEncoder)

nan = math.nan
numbers = np.array([3.5, 1.25, nan, 8, 2, 2, nan, 100, 0, 7.125])
codes = np.array([0, 1, 1, 2, 0, 1, nan, 2, 1, 0])
days = np.array([0, 19000, 19786.5, -1, 11016.999, 20500.25, 364, 365, 789, 19358])

cases = []


def case(name, kind, values, prep, pipeline, tolerance=1e-12, **more):
    out = pipeline.fit_transform(values.reshape(-1, 1))
    cases.append({"name": name, "type": kind, "values": [None if math.isnan(v) else v for v in values], "prep": prep, "want": [[None if math.isnan(v) else v for v in row] for row in np.asarray(out).tolist()], "tolerance": tolerance, **more})


for impute in ("mean", "median", "most_frequent"):
    for scale, scaler in (("standard", StandardScaler()), ("min_max", MinMaxScaler()), ("robust", RobustScaler())):
        case(f"{impute} {scale}", "numeric", numbers, {"impute": impute, "scale": scale}, make_pipeline(SimpleImputer(strategy=impute), scaler))
case("constant", "numeric", numbers, {"impute": "constant", "value": -1.5, "scale": "none"}, make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.5)))
case("indicator", "numeric", numbers, {"impute": "median", "indicator": True, "scale": "none"}, make_pipeline(SimpleImputer(strategy="median", add_indicator=True)))
case("constant column", "numeric", np.full(10, 0.1), {"impute": "mean", "scale": "standard"}, make_pipeline(StandardScaler()))
case("constant column, robust", "numeric", np.full(10, 0.1), {"impute": "mean", "scale": "robust"}, make_pipeline(RobustScaler()))
case("log1p", "numeric", numbers, {"impute": "median", "scale": "standard", "transform": "log1p"},
     make_pipeline(SimpleImputer(strategy="median"), FunctionTransformer(np.log1p), StandardScaler()))
case("sqrt", "numeric", numbers, {"impute": "median", "scale": "robust", "transform": "sqrt"},
     make_pipeline(SimpleImputer(strategy="median"), FunctionTransformer(np.sqrt), RobustScaler()))
case("log", "numeric", numbers + 0.5, {"impute": "none", "scale": "none", "transform": "log"}, make_pipeline(FunctionTransformer(np.log)))
low, high = np.nanquantile(numbers, [0.1, 0.9])
case("clip", "numeric", numbers, {"impute": "median", "scale": "none", "clip": [0.1, 0.9]},
     make_pipeline(SimpleImputer(strategy="median"), FunctionTransformer(lambda x: np.clip(x, low, high))))

# Power transforms: lambda by maximum likelihood. PowerTransformer leaves null out, as we do.
rng = np.random.default_rng(1)
power = {
    "skewed": rng.lognormal(1, 1, 60),
    "normal": rng.normal(20, 2, 60),
    "small": rng.gamma(0.3, 1e-3, 60) + 1e-9,
    "large": rng.lognormal(12, 2, 60),
    "left": 100 - rng.lognormal(1, 0.8, 60),
}
power["skewed"][[3, 17]] = nan
for name, values in power.items():
    for transform in ("yeo_johnson", "box_cox"):
        scaler = PowerTransformer(method=transform.replace("_", "-"), standardize=False)
        reference = scaler.fit(values.reshape(-1, 1)).lambdas_[0]
        case(f"{transform} of {name}", "numeric", values, {"impute": "none", "scale": "standard", "transform": transform},
             make_pipeline(PowerTransformer(method=transform.replace("_", "-"))), 1e-5, lambda_=reference)
for name, values in {"both signs": rng.normal(0, 3, 60), "negative": -rng.lognormal(1, 1, 60), "a heavy tail": rng.standard_t(2, 60)}.items():
    case(f"yeo_johnson of {name}", "numeric", values, {"impute": "none", "scale": "standard", "transform": "yeo_johnson"},
         make_pipeline(PowerTransformer(method="yeo-johnson")), 1e-5, lambda_=PowerTransformer().fit(values.reshape(-1, 1)).lambdas_[0])

case("one_hot", "categorical", codes, {"impute": "most_frequent", "encode": "one_hot"},
     make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(categories=[[0, 1, 2]], sparse_output=False)))
case("ordinal", "categorical", codes, {"impute": "constant", "value": "c", "encode": "ordinal"},
     make_pipeline(SimpleImputer(strategy="constant", fill_value=2), OrdinalEncoder(categories=[[0, 1, 2]])))
case("frequency", "categorical", codes, {"impute": "none", "encode": "frequency", "scale": "none"},
     make_pipeline(FunctionTransformer(lambda x: np.array([[np.mean((x == v) | (np.isnan(x) & np.isnan(v)))] for v in x.ravel()]))))


def mix(x):
    """splitmix64, by which training rows are dealt to folds (stats.Hash)."""
    m = 2**64 - 1
    x = (x + 0x9E3779B97F4A7C15) & m
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & m
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & m
    return x ^ (x >> 31)


def fold(seed, row):
    return mix(mix(seed) ^ mix(row)) % 5


def target(name, kind, y, smoothing):
    """Serving rows: an encoder fitted on all rows; training rows: one fitted on the other folds."""
    n, seed = len(y), 42
    x = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05]).astype(float).reshape(-1, 1)
    encode = lambda rows: TargetEncoder(categories=[[0, 1, 2, 3]], smooth=smoothing, target_type=kind).fit(x[rows], y[rows])
    folds, every = np.array([fold(seed, i) for i in range(n)]), np.arange(n)
    training = np.zeros((n, encode(every).transform(x[:1]).shape[1]))
    for k in range(5):
        training[folds == k] = encode(every[folds != k]).transform(x[folds == k])
    targets.append({
        "name": name, "codes": x.ravel().tolist(), "y": np.unique(y, return_inverse=True)[1].tolist() if kind != "continuous" else y.tolist(),
        "classes": 0 if kind == "continuous" else len(np.unique(y)), "smoothing": smoothing, "seed": seed,
        "serving": encode(every).transform(np.array([[0], [1], [2], [3], [99]])).tolist(), "training": training.tolist(),
    })


targets = []
target("regression", "continuous", rng.normal(5, 2, 80), 20.0)
target("binary", "binary", rng.integers(0, 2, 80), 3.0)
target("three classes", "multiclass", rng.integers(0, 3, 80), 0.5)


def parts(x):
    import datetime
    rows = []
    for v in x.ravel():
        t = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(v * 86400))
        rows.append([t.year, t.month, t.day, t.weekday(), t.hour, v])
    return np.array(rows)


case("date parts", "date", days, {"parts": ["year", "month", "day", "weekday", "hour", "days"], "scale": "none"}, make_pipeline(FunctionTransformer(parts)))
case("date parts, scaled", "date", days, {"parts": ["year", "days"], "scale": "standard"},
     make_pipeline(FunctionTransformer(lambda x: parts(x)[:, [0, 5]]), StandardScaler()))

json.dump({
    "versions": {"python": sys.version.split()[0], "scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__},
    "cases": cases,
    "targets": targets,
}, sys.stdout, indent=1)
print()

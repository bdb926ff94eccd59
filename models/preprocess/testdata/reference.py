"""Writes reference.json: what scikit-learn's preprocessing makes of a small table.

Run: python reference.py > reference.json
The versions used are in the file.
"""
import json
import math
import sys

import numpy as np
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler

nan = math.nan
numbers = np.array([3.5, 1.25, nan, 8, 2, 2, nan, 100, 0, 7.125])
codes = np.array([0, 1, 1, 2, 0, 1, nan, 2, 1, 0])
days = np.array([0, 19000, 19786.5, -1, 11016.999, 20500.25, 364, 365, 789, 19358])

cases = []


def case(name, kind, values, prep, pipeline):
    out = pipeline.fit_transform(values.reshape(-1, 1))
    cases.append({"name": name, "type": kind, "values": [None if math.isnan(v) else v for v in values], "prep": prep, "want": np.asarray(out).tolist()})


for impute in ("mean", "median", "most_frequent"):
    for scale, scaler in (("standard", StandardScaler()), ("min_max", MinMaxScaler())):
        case(f"{impute} {scale}", "numeric", numbers, {"impute": impute, "scale": scale}, make_pipeline(SimpleImputer(strategy=impute), scaler))
case("constant column", "numeric", np.full(10, 0.1), {"impute": "mean", "scale": "standard"}, make_pipeline(StandardScaler()))
case("log1p", "numeric", numbers, {"impute": "median", "scale": "standard", "transform": "log1p"},
     make_pipeline(SimpleImputer(strategy="median"), FunctionTransformer(np.log1p), StandardScaler()))
low, high = np.nanquantile(numbers, [0.1, 0.9])
case("clip", "numeric", numbers, {"impute": "median", "scale": "none", "clip": [0.1, 0.9]},
     make_pipeline(SimpleImputer(strategy="median"), FunctionTransformer(lambda x: np.clip(x, low, high))))
case("one_hot", "categorical", codes, {"impute": "most_frequent", "encode": "one_hot"},
     make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(categories=[[0, 1, 2]], sparse_output=False)))


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
    "versions": {"python": sys.version.split()[0], "scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "cases": cases,
}, sys.stdout, indent=1)
print()

"""Reference answers of LightGBM for boosting_test.go.

    pip install lightgbm==4.7.0 numpy==2.4.6
    python reference.py > reference.json

Features have fewer distinct values than bins, so that LightGBM's split points are
the same midpoints as ours, and targets are in general position, so that no two
splits gain equally much. Where hessians differ, LightGBM guesses a bin's rows from
its hessian, so leaves of one row are allowed there.
"""
import json

import lightgbm as lgb
import numpy as np

rng = np.random.default_rng(11)
rows = 400
x = rng.integers(0, 60, (rows, 4)).astype(float)
x[rng.random((rows, 4)) < 0.1] = np.nan
z = np.where(np.isnan(x), 20.5, x)
y = np.sin(z[:, 0] / 7) * 3 + z[:, 1] / 20 - (z[:, 2] > 30) + 0.2 * rng.standard_normal(rows)
weights = rng.uniform(0.5, 2, rows)
classes = np.digitize(y, np.quantile(y, [0.4, 0.75])).astype(float)

ROUNDS = 10  # with more, splits of four rows gain equally much
common = dict(num_leaves=8, min_data_in_leaf=10, min_data_in_bin=1, learning_rate=0.2, verbose=-1, deterministic=True,
              force_row_wise=True, num_threads=1, feature_pre_filter=False, min_sum_hessian_in_leaf=1e-3, seed=1)
cases = {
    "squared": (dict(objective="l2"), y, None),
    "squared, penalties": (dict(objective="l2", lambda_l1=2.0, lambda_l2=3.0), y, None),
    "squared, weights": (dict(objective="l2", min_data_in_leaf=1), y, weights),
    "squared, depth and gain": (dict(objective="l2", max_depth=2, min_gain_to_split=1.5), y, None),
    "two classes": (dict(objective="binary", min_data_in_leaf=1), (classes > 0).astype(float), None),
    "two classes, weights, penalties": (dict(objective="binary", min_data_in_leaf=1, lambda_l1=0.5, lambda_l2=1.0), (classes > 0).astype(float), weights),
    "three classes": (dict(objective="multiclass", num_class=3, min_data_in_leaf=1), classes, None),
    "absolute": (dict(objective="l1"), y, None),
}
out = {"versions": {"lightgbm": lgb.__version__, "numpy": np.__version__},
       "x": [[None if np.isnan(v) else v for v in r] for r in x.tolist()], "weights": weights.tolist(), "cases": {}}
for name, (params, target, w) in cases.items():
    data = lgb.Dataset(x, target, weight=w)
    model = lgb.train({**common, **params}, data, num_boost_round=ROUNDS)
    answers = model.predict(x)
    out["cases"][name] = {"y": target.tolist(), "weighted": w is not None, "answers": answers.reshape(rows, -1).tolist()}
print(json.dumps(out, separators=(",", ":")))

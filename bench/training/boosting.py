"""Compares gradient_boosting with LightGBM's and scikit-learn's: fit time, accuracy, memory.

    python3 bench/training/boosting.py [housing|splits|million|quality ...] [--rounds 5] [--threads 2]

housing  1000 trees on California Housing's reference split: interleaved fits, medians
splits   the same on 5 random splits: mean RMSE
million  100 trees on 1 million generated rows of 20 columns with nulls and categories
quality  absolute error; two classes (breast cancer); many classes (iris, digits); 5 folds

It makes a venv of its own (bench/training/.venv-boosting unless VENV is set),
installs the versions named below, builds the Go side and prints ratios from one
run: fits are interleaved, times are medians and include binning.
"""
import argparse, os, statistics

import rival

rival.inside("boosting", "numpy==2.4.6", "scikit-learn==1.9.1", "lightgbm==4.7.0")
import lightgbm as lgb
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import KFold, StratifiedKFold

parser = argparse.ArgumentParser()
parser.add_argument("parts", nargs="*", default=[])
parser.add_argument("--rounds", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
args = parser.parse_args()
med = statistics.median


class Ours(rival.Go):
    """A process of the Go side with one table."""

    def __init__(self, x, y, test, classes=0, categories=None):
        super().__init__("boosting")
        self.shape = {"Rows": len(x), "Test": len(test), "Cols": x.shape[1], "Classes": classes, "Categories": categories}
        self.write(x=x, y=y, test=test)

    def fit(self, **settings):
        return self.ask(**{**self.shape, "Threads": args.threads, **settings})


def rmse(y, p):
    return float(np.sqrt(np.mean((p.reshape(-1) - y) ** 2)))


BOOST = dict(Trees=1000, LearningRate=0.05, Leaves=31)


def theirs(**more):
    return lgb.LGBMRegressor(n_estimators=1000, learning_rate=0.05, num_leaves=31, n_jobs=args.threads, verbose=-1, **more)


def housing():
    x, y, test, truth = rival.reference_split()
    go = Ours(x, y, test)
    ours, one, lgb_fit, used, lgb_used, hashes = [], [], [], [], [], set()
    for i in range(args.rounds + 1):  # the first round warms up
        g, m = go.fit(**BOOST), theirs()
        g1 = go.fit(**{**BOOST, "Threads": 1})
        t = rival.timed(m, x, y)
        hashes |= {g["sha256"], g1["sha256"]}
        if i > 0:
            ours, one, lgb_fit = ours + [g["seconds"]], one + [g1["seconds"]], lgb_fit + [t[0]]
            used, lgb_used = used + [g1["processor"]], lgb_used + [t[1]]
    print(f"housing: fit {med(ours):.3f} s ({med(one):.3f} s on 1 thread), LightGBM {med(lgb_fit):.3f} s, ratio {med(ours) / med(lgb_fit):.3f} ({med(one) / med(lgb_fit):.3f}) "
          f"(medians of {args.rounds}, interleaved, {args.threads} threads; best {min(ours):.3f}, {min(one):.3f}, {min(lgb_fit):.3f}; "
          f"processor time {med(used):.3f} s on 1 thread, LightGBM {med(lgb_used):.3f} s, ratio {med(used) / med(lgb_used):.3f}); "
          f"RMSE {rmse(truth, g['p']):.4f}, LightGBM {rmse(truth, m.predict(test)):.4f}; "
          f"{'the same bits' if len(hashes) == 1 else 'DIFFERENT MODELS'} for 1 and {args.threads} threads", flush=True)
    go.close()


def splits():
    table = rival.housing()
    a, b = [], []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(table))
        train, test = table[order[4128:]], table[order[:4128]]
        go = Ours(train[:, :-1], train[:, -1], test[:, :-1])
        a.append(rmse(test[:, -1], go.fit(**BOOST)["p"]))
        b.append(rmse(test[:, -1], theirs().fit(train[:, :-1], train[:, -1]).predict(test[:, :-1])))
        go.close()
    print(f"splits: mean RMSE {np.mean(a):.4f}, LightGBM {np.mean(b):.4f}, difference {np.mean(a) - np.mean(b):+.4f} "
          f"({', '.join(f'{v:.4f}' for v in a)} | {', '.join(f'{v:.4f}' for v in b)})", flush=True)


SIZES = [3, 7, 12, 30, 60, 100]


def generated(rows, seed=7):
    """20 columns: 14 numeric, some with few values, 6 categorical; 5 with nulls."""
    rng = np.random.default_rng(seed)
    x = np.empty((rows, 20))
    for c in range(10):
        x[:, c] = rng.standard_normal(rows) if c % 2 else rng.gamma(2, 2, rows)
    for c, n in zip(range(10, 20), [2, 12, 100, 1000, *SIZES]):
        x[:, c] = rng.integers(0, n, rows)
    y = x[:, 0] * 0.3 + np.sin(x[:, 1] * 2) + x[:, 2] * x[:, 3] * 0.1 + np.abs(x[:, 5]) + (x[:, 11] > 6) * x[:, 7]
    for c, n in zip(range(14, 20), SIZES):
        y += rng.standard_normal(n)[x[:, c].astype(int)] * 0.5
    for c in (2, 5, 8, 16, 19):
        null = rng.random(rows) < 0.1
        x[null, c] = np.nan
        y[null] += 0.3
    return x, y + rng.standard_normal(rows)


def million():
    x, y = generated(1_100_000)
    x, test, y, truth = x[:1_000_000], x[1_000_000:], y[:1_000_000], y[1_000_000:]
    for classes, score in ((0, rmse), (2, lambda t, p: float(-np.mean(np.log(p[np.arange(len(t)), t.astype(int)]))))):
        target, goal = ((y > np.median(y)).astype(float), (truth > np.median(y)).astype(float)) if classes else (y, truth)
        make = lgb.LGBMClassifier if classes else lgb.LGBMRegressor
        go = Ours(x, target, test, classes, [0] * 14 + SIZES)
        ours, lgb_fit, used, lgb_used = [], [], [], []
        for _ in range(min(args.rounds, 3)):
            g = go.fit(Trees=100)
            m = make(n_estimators=100, n_jobs=args.threads, verbose=-1)
            t = rival.timed(m, x, target, categorical_feature=list(range(14, 20)))
            ours, lgb_fit, used, lgb_used = ours + [g["seconds"]], lgb_fit + [t[0]], used + [g["processor"]], lgb_used + [t[1]]
        p = m.predict_proba(test) if classes else m.predict(test)
        print(f"million, {'two classes' if classes else 'squared error'}: fit {med(ours):.2f} s, LightGBM {med(lgb_fit):.2f} s, ratio {med(ours) / med(lgb_fit):.3f} "
              f"(medians of {len(ours)}, interleaved, {args.threads} threads), "
              f"processor time {med(used):.2f} s, LightGBM {med(lgb_used):.2f} s, ratio {med(used) / med(lgb_used):.3f}; {'log loss' if classes else 'RMSE'} {score(goal, g['p']):.4f}, LightGBM {score(goal, p):.4f}; "
              f"peak memory with the table {g['peak']}", flush=True)
        go.close()


def quality():
    def folds(name, x, y, classes, measure, ours, **rivals):
        cut = StratifiedKFold(5, shuffle=True, random_state=0) if classes else KFold(5, shuffle=True, random_state=0)
        scores = {k: [] for k in ["ours", *rivals]}
        for train, test in cut.split(x, y):
            go = Ours(x[train], y[train], x[test], classes)
            scores["ours"].append(measure(y[test], go.fit(**ours)["p"]))
            go.close()
            for k, make in rivals.items():
                m = make().fit(x[train], y[train])
                scores[k].append(measure(y[test], m.predict_proba(x[test]) if classes else m.predict(x[test])))
        print(f"quality, {name}: " + "; ".join(f"{k} {', '.join(f'{v:.4f}' for v in np.mean(s, axis=0))}" for k, s in scores.items()) + " (means over 5 folds)", flush=True)

    def mae(y, p):
        return [float(np.mean(np.abs(y - p.reshape(-1))))]

    def classified(y, p):
        right = np.clip(p[np.arange(len(y)), y.astype(int)], 1e-15, 1)
        return [float(np.mean(np.argmax(p, axis=1) == y)), float(-np.mean(np.log(right)))]

    table = rival.housing()
    folds("absolute error, California Housing, MAE", table[:, :-1], table[:, -1], 0, mae, dict(Trees=200, Loss="absolute_error"),
          LightGBM=lambda: lgb.LGBMRegressor(objective="l1", n_estimators=200, verbose=-1, n_jobs=args.threads),
          sklearn=lambda: HistGradientBoostingRegressor(loss="absolute_error", max_iter=200, early_stopping=False))
    for name, load, trees in (("breast cancer", load_breast_cancer, 100), ("iris", load_iris, 50), ("digits", load_digits, 50)):
        x, y = load(return_X_y=True)
        classes = len(np.unique(y))
        folds(f"{name}, accuracy and log loss", x, y.astype(float), classes, classified, dict(Trees=trees),
              LightGBM=lambda: lgb.LGBMClassifier(n_estimators=trees, verbose=-1, n_jobs=args.threads),
              sklearn=lambda: HistGradientBoostingClassifier(max_iter=trees, early_stopping=False))


print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the start", flush=True)
for part in args.parts or ["housing", "splits", "million", "quality"]:
    {"housing": housing, "splits": splits, "million": million, "quality": quality}[part]()

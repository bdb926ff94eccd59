"""Small models of LightGBM and XGBoost with the answers that the libraries give,
for the tests of package imported. The versions it ran with stand in cases.json.

    pip install lightgbm==4.7.0 xgboost==3.2.0 pandas==3.1.1 scikit-learn==1.9.1
    python models.py
    pip install xgboost==1.7.6 pandas scikit-learn "numpy<2"     # and 2.1.4, each in a venv of its own
    python models.py

The rows hold what is hard: missing values, zeros and what LightGBM takes for
them, values beside every threshold, categories that no split names.
"""
import json
import os
import warnings

import numpy as np
import pandas as pd
import xgboost as xgb

try:
    import lightgbm as lgb
except ImportError:
    lgb = None
warnings.filterwarnings("ignore")
OLD = "_" + xgb.__version__ if int(xgb.__version__.split(".")[0]) < 3 else ""
here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)
N = 400
CATS = ["blue", "green", "red", "violet", "white", "yellow"]


def table(missing=True, categories=False, zeros=False):
    df = pd.DataFrame({"width": rng.normal(size=N), "height of it": rng.lognormal(size=N) * 10, "count": rng.integers(0, 40, N).astype(float)})
    if zeros:
        df.loc[rng.random(N) < 0.4, "width"] = 0.0
        df.loc[rng.random(N) < 0.4, "count"] = 0.0
    if categories:
        df["colour"] = pd.Categorical(rng.choice(CATS[:5], N), categories=CATS)
        df["size"] = pd.Categorical(rng.choice([10, 20, 30], N))
        if missing:
            df.loc[rng.random(N) < 0.1, "colour"] = np.nan
    if missing:
        for c in ["width", "height of it"]:
            df.loc[rng.random(N) < 0.15, c] = np.nan
    y = np.nan_to_num(df["width"]) * 2 + np.log(df["height of it"].fillna(5)) + np.sin(df["count"])
    if categories:
        y = y + (df["colour"].isin(["red", "blue"])) * 3 + df["size"].astype(int) / 10
    return df, (y + rng.normal(size=N) * 0.3).to_numpy(dtype=float)


def hard(df, thresholds, rows=60):
    """Rows of the table, with values beside thresholds put in."""
    out = df.sample(rows, random_state=1).reset_index(drop=True)
    numeric = [c for c in df.columns if not isinstance(df[c].dtype, pd.CategoricalDtype)]
    special = [0.0, -0.0, 1e-36, -1e-36, 1e-35, -1e-35, float(np.float32(1e-35)), -float(np.float32(1e-35)), 1e-30, 1e30, -1e30, np.nan]
    for c in numeric:
        near = [v for t in thresholds.get(c, []) for v in (t, np.nextafter(t, np.inf), np.nextafter(t, -np.inf))]
        near += [v for t in thresholds.get(c, []) for v in between(t)]
        extra = df.sample(len(special) + len(near), random_state=2, replace=True).reset_index(drop=True)
        extra[c] = special + near
        out = pd.concat([out, extra.sample(min(len(extra), 40), random_state=3)], ignore_index=True)
    for c in set(df.columns) - set(numeric):
        out[c] = out[c].astype(df[c].dtype)
    return out


def between(t):
    """Float64 numbers around the middle between a float32 and the one before it."""
    c = np.float32(t)
    m = (float(c) + float(np.nextafter(c, np.float32(-np.inf)))) / 2
    return [m, np.nextafter(m, np.inf), np.nextafter(m, -np.inf)]


def columns(df, target):
    out = []
    for c in df.columns:
        if isinstance(df[c].dtype, pd.CategoricalDtype):
            out.append({"name": c, "type": "categorical", "values": [str(v) for v in df[c].cat.categories]})
        else:
            out.append({"name": c, "type": "numeric"})
    return out + [dict(target, name="y")]


def cells(df):
    return [[None if pd.isna(v) else (str(v) if isinstance(df[c].dtype, pd.CategoricalDtype) else float(v)) for c, v in zip(df.columns, row)]
            for row in df.itertuples(index=False)]


cases = []


def case(name, file, df, answers, target, **more):
    answers = np.asarray(answers, dtype=np.float64)
    cases.append(dict(name=name, file=file, columns=columns(df, target), rows=cells(df), answers=answers.reshape(len(df), -1).tolist(), **more))


NUMBER = {"type": "numeric"}
BOOLEAN = {"type": "boolean"}
CLASSES = {"type": "categorical", "values": ["a", "b", "c"]}


def lightgbm(name, target=NUMBER, df=None, y=None, rounds=4, **params):
    if df is None:
        df, y = table()
    p = dict(objective="regression", num_leaves=6, min_data_in_leaf=8, verbose=-1, seed=3, deterministic=True, force_row_wise=True, min_data_per_group=5, cat_smooth=1, num_threads=1)
    p.update(params)
    if p["objective"] == "binary":
        y = y > np.median(y)
    elif p["objective"] in ("multiclass", "multiclassova"):
        y, p["num_class"] = pd.qcut(y, 3, labels=False), 3
    elif p["objective"] in ("poisson", "gamma", "tweedie"):
        y = np.exp(y / 4)
    elif p["objective"] == "cross_entropy":
        y = 1 / (1 + np.exp(-y))
    b = lgb.train(p, lgb.Dataset(df, y), rounds)
    file = "lightgbm_" + name + ".txt"
    b.save_model(os.path.join(here, file))
    b = lgb.Booster(model_file=os.path.join(here, file))
    t = {}
    for tree in b.dump_model()["tree_info"]:
        walk(tree["tree_structure"], df.columns, t)
    rows = hard(df, t)
    answers = b.predict(rows)
    if p["objective"] == "binary":
        answers = np.stack([1 - answers, answers], 1)
    case("lightgbm " + name, file, rows, answers, target)


def walk(node, names, out):
    if "split_feature" in node:
        if isinstance(node["threshold"], float):
            out.setdefault(names[node["split_feature"]], []).append(node["threshold"])
        walk(node["left_child"], names, out)
        walk(node["right_child"], names, out)


if lgb:
    lightgbm("regression")
    lightgbm("no_missing", use_missing=False)
    df, y = table(zeros=True)
    lightgbm("zero_as_missing", df=df, y=y, zero_as_missing=True, rounds=6)
    lightgbm("l1", objective="regression_l1")
    lightgbm("poisson", objective="poisson")
    lightgbm("tweedie", objective="tweedie")
    lightgbm("quantile", objective="quantile", alpha=0.7)
    lightgbm("cross_entropy", objective="cross_entropy")
    lightgbm("binary", BOOLEAN, objective="binary", sigmoid=1.7)
    lightgbm("multiclass", CLASSES, objective="multiclass")
    lightgbm("multiclassova", CLASSES, objective="multiclassova", sigmoid=0.8)
    lightgbm("dart", boosting="dart", drop_rate=0.5, rounds=6)
    lightgbm("forest", boosting="rf", bagging_freq=1, bagging_fraction=0.6)
    lightgbm("forest_binary", BOOLEAN, boosting="rf", objective="binary", bagging_freq=1, bagging_fraction=0.6)
    df, y = table(categories=True)
    lightgbm("categories", df=df, y=y, rounds=6, num_leaves=12)
    df, y = table(categories=True)
    df["unused"] = pd.Categorical(["only"] * N)
    lightgbm("unused_category", df=df, y=y, rounds=3)


def xgboost(name, target=NUMBER, df=None, y=None, rounds=4, form="json", stop=False, **params):
    if df is None:
        df, y = table()
    p = dict(objective="reg:squarederror", max_depth=3, seed=3, nthread=1, tree_method="hist")
    p.update(params)
    if p["objective"].startswith("binary"):
        y = y > np.median(y)
    elif p["objective"].startswith("multi"):
        y, p["num_class"] = pd.qcut(y, 3, labels=False), 3
    elif p["objective"] in ("count:poisson", "reg:gamma", "reg:tweedie"):
        y = np.exp(y / 4)
    elif p["objective"] == "reg:logistic":
        y = 1 / (1 + np.exp(-y))
    d = xgb.DMatrix(df, y, enable_categorical=True)
    watch = {}
    if stop:
        other = xgb.DMatrix(df, rng.permutation(y), enable_categorical=True)
        watch = dict(evals=[(other, "other")], early_stopping_rounds=2, verbose_eval=False)
    b = xgb.train(p, d, rounds, **watch)
    file = "xgboost" + OLD + "_" + name + "." + form
    b.save_model(os.path.join(here, file))
    b = xgb.Booster(model_file=os.path.join(here, file))
    t = {}
    try:
        nodes = b.trees_to_dataframe()
        for c in df.columns:
            if not isinstance(df[c].dtype, pd.CategoricalDtype):
                t[c] = nodes[nodes.Feature == c].Split.dropna().tolist()
    except Exception:  # a booster that can't tell
        pass
    rows = hard(df, t)
    d = xgb.DMatrix(rows, enable_categorical=True)
    answers = b.predict(d, iteration_range=(0, b.best_iteration + 1)) if stop else b.predict(d)
    if p["objective"] == "binary:logistic":
        answers = np.stack([np.float32(1) - answers, answers], 1)
    elif p["objective"] == "binary:logitraw":
        answers = 1 / (1 + np.exp(-answers.astype(np.float64)))
        answers = np.stack([1 - answers, answers], 1)
    case("xgboost" + OLD + " " + name, file, rows, answers, target, tolerance=1e-7 if p["objective"] == "binary:logitraw" else 0)


if OLD:
    df, y = table(categories=True)
    xgboost("categories", BOOLEAN, df=df, y=y, objective="binary:logistic", max_cat_to_onehot=2)
    xgboost("stopped", CLASSES, objective="multi:softprob", rounds=10, stop=True)
else:
    xgboost("regression", rounds=8)
    xgboost("regression_ubjson", form="ubj")
    xgboost("absolute", objective="reg:absoluteerror")
    xgboost("fractions", objective="reg:logistic")
    xgboost("logistic", BOOLEAN, objective="binary:logistic", rounds=8)
    xgboost("logitraw", BOOLEAN, objective="binary:logitraw")
    xgboost("poisson", objective="count:poisson")
    xgboost("gamma", objective="reg:gamma")
    xgboost("tweedie", objective="reg:tweedie")
    xgboost("softprob", CLASSES, objective="multi:softprob", rounds=6)
    xgboost("dart", booster="dart", rate_drop=0.5, rounds=8)
    xgboost("dart_softprob", CLASSES, objective="multi:softprob", booster="dart", rate_drop=0.5)
    xgboost("forest", num_parallel_tree=5, subsample=0.7, colsample_bynode=0.7, learning_rate=1, rounds=1)
    xgboost("stopped", rounds=40, stop=True, num_parallel_tree=2, subsample=0.8)
    df, y = table(categories=True)
    xgboost("categories", df=df, y=y, rounds=6, max_cat_to_onehot=2, max_depth=4)
    df, y = table(categories=True)
    xgboost("categories_one_hot", BOOLEAN, df=df, y=y, objective="binary:logistic", max_cat_to_onehot=20, form="ubj")

versions = {m.__name__: m.__version__ for m in (lgb, xgb, np, pd) if m}
with open(os.path.join(here, "cases" + OLD + ".json"), "w") as f:
    json.dump({"versions": versions, "cases": cases}, f, separators=(",", ":"))

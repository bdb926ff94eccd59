"""Imports models of LightGBM and XGBoost into the built program and compares every answer with the library's own.

    python3 bench/training/imported.py [PART OF A NAME ...] [--rows 10000] [--trees 200] [--binary FILE]

For each model (objectives × missing values × categories): train on 20,000 generated rows, save, `perennial import`,
`perennial rollout start`, `perennial predict` of 10,000 other rows as JSON lines. Printed are the greatest difference,
relative to max(1, |answer|), and the time of a row against the library's with one thread, one row a call and 1,000.
It fails where a difference is above 1e-9. It makes a venv of its own (bench/training/.venv-imported unless VENV is
set), installs the versions named below, builds the program, and starts it on free ports.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time, urllib.request, warnings

import rival

rival.inside("imported", "numpy==2.4.6", "pandas==3.1.1", "scikit-learn==1.9.1", "lightgbm==4.7.0", "xgboost==3.2.0")
import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

warnings.filterwarnings("ignore")
parser = argparse.ArgumentParser()
parser.add_argument("names", nargs="*", default=[])
parser.add_argument("--rows", type=int, default=10000)
parser.add_argument("--trees", type=int, default=200)
parser.add_argument("--binary", default="")
args = parser.parse_args()
LIMIT = 1e-9
rng = np.random.default_rng(11)
CITIES = ["c%03d" % i for i in range(120)]
work = tempfile.TemporaryDirectory()
path = lambda name: os.path.join(work.name, name)


def table(n, missing, categories, zeros=False):
    df = pd.DataFrame({"x%d" % i: rng.normal(size=n) * 10.0 ** (i - 2) for i in range(6)})
    df["count"] = rng.poisson(3, n).astype(float)
    df["flag"] = rng.random(n) > 0.6
    if zeros:
        for c in ["x1", "x2", "count"]:
            df.loc[rng.random(n) < 0.3, c] = 0.0
    if categories:
        df["plan"] = pd.Categorical(rng.choice(["basic", "plus", "pro"], n))
        df["city"] = pd.Categorical(rng.choice(CITIES, n), categories=CITIES)
    if missing:
        for c in ["x0", "x1", "x3"] + (["plan", "city"] if categories else []):
            df.loc[rng.random(n) < 0.1, c] = np.nan
    y = df["x0"].fillna(0) * 300 + df["x1"].fillna(0) ** 2 * 20 + np.sin(df["x2"]) + df["x3"].fillna(1) / 20 + df["flag"] * np.sqrt(df["count"])
    if categories:
        y = y + (df["plan"] == "pro") * 2 + df["city"].cat.codes.mod(7) / 3
    return df, (y + rng.normal(size=n)).to_numpy(float)


def label(y, objective):
    """The target in an objective's form, and the schema's target."""
    if objective.startswith("binary"):
        return (y > np.median(y)).astype(int), "{role: target, type: boolean}"
    if objective.startswith("multi"):
        return pd.qcut(y, 4, labels=False), "{role: target, type: categorical, values: [low, mid, high, top]}"
    if objective in ("poisson", "gamma", "tweedie", "count:poisson", "reg:gamma", "reg:tweedie"):
        return np.exp(np.clip(y, -20, 20) / 5), "{role: target, type: numeric}"
    if objective in ("cross_entropy", "reg:logistic"):
        return 1 / (1 + np.exp(-y / 5)), "{role: target, type: numeric}"
    return y, "{role: target, type: numeric}"


MODELS = []  # name, library, data, parameters
for name, p in {
    "regression": {}, "l1": dict(objective="regression_l1"), "huber": dict(objective="huber"), "quantile": dict(objective="quantile", alpha=0.9), "mape": dict(objective="mape"),
    "poisson": dict(objective="poisson"), "gamma": dict(objective="gamma"), "tweedie": dict(objective="tweedie"), "cross_entropy": dict(objective="cross_entropy"),
    "binary": dict(objective="binary"), "binary sigmoid": dict(objective="binary", sigmoid=2.5), "multiclass": dict(objective="multiclass"), "multiclassova": dict(objective="multiclassova"),
    "dart": dict(boosting="dart"), "goss": dict(data_sample_strategy="goss"), "forest": dict(boosting="rf", bagging_freq=1, bagging_fraction=0.6), "forest multiclass": dict(boosting="rf", bagging_freq=1, bagging_fraction=0.6, objective="multiclass"),
    "no missing": dict(use_missing=False), "zero as missing": dict(zero_as_missing=True), "255 leaves": dict(num_leaves=255), "extra trees": dict(extra_trees=True),
}.items():
    MODELS.append(("lightgbm " + name, "lightgbm", dict(missing=True, categories=False, zeros="zero" in name), p))
for name, p in {"regression": {}, "binary": dict(objective="binary"), "multiclass": dict(objective="multiclass"), "zero as missing": dict(zero_as_missing=True), "one-hot categories": dict(max_cat_to_onehot=200)}.items():
    MODELS.append(("lightgbm categories " + name, "lightgbm", dict(missing=True, categories=True, zeros="zero" in name), p))
MODELS.append(("lightgbm complete", "lightgbm", dict(missing=False, categories=False), {}))
for name, p in {
    "squarederror": {}, "absoluteerror": dict(objective="reg:absoluteerror"), "logistic (regression)": dict(objective="reg:logistic"), "quantile": dict(objective="reg:quantileerror", quantile_alpha=0.8),
    "poisson": dict(objective="count:poisson"), "gamma": dict(objective="reg:gamma"), "tweedie": dict(objective="reg:tweedie"), "binary": dict(objective="binary:logistic"), "multiclass": dict(objective="multi:softprob"),
    "multiclass softmax": dict(objective="multi:softmax"), "dart": dict(booster="dart", rate_drop=0.1), "dart multiclass": dict(booster="dart", rate_drop=0.1, objective="multi:softprob"),
    "forest": dict(num_parallel_tree=50, subsample=0.6, colsample_bynode=0.6, learning_rate=1), "leaf-wise": dict(grow_policy="lossguide", max_leaves=31, max_depth=0), "exact": dict(tree_method="exact"), "depth 10": dict(max_depth=10),
    "stopped early": dict(stop=True),
}.items():
    MODELS.append(("xgboost " + name, "xgboost", dict(missing=True, categories=False), p))
for name, p in {"regression": {}, "binary": dict(objective="binary:logistic"), "multiclass": dict(objective="multi:softprob"), "one-hot": dict(max_cat_to_onehot=200), "partitions": dict(max_cat_to_onehot=1)}.items():
    MODELS.append(("xgboost categories " + name, "xgboost", dict(missing=True, categories=True), p))
MODELS.append(("xgboost complete", "xgboost", dict(missing=False, categories=False), {}))
MODELS = [m for m in MODELS if not args.names or any(n in m[0] for n in args.names)]


class LightGBM:
    def __init__(self, df, y, p):
        p = dict(dict(objective="regression", num_leaves=31, verbose=-1, seed=1, num_threads=2), **p)
        if p["objective"].startswith("multi"):
            p["num_class"] = 4
        self.objective, self.file = p["objective"], path("model.txt")
        lgb.train(p, lgb.Dataset(df, y), args.trees if p.get("boosting") != "dart" else args.trees // 4).save_model(self.file)
        self.booster = lgb.Booster(model_file=self.file)

    def predict(self, df):
        return self.booster.predict(df)

    def fast(self, df):
        """What is timed: a row as it comes from a table, one thread, the checks left out."""
        x = pd.DataFrame({c: (df[c].cat.codes.replace(-1, np.nan) if isinstance(df[c].dtype, pd.CategoricalDtype) else df[c]).astype(float) for c in df})
        x, b = np.ascontiguousarray(x.to_numpy()), self.booster
        b.pandas_categorical = None
        return x, lambda rows: b.predict(rows, num_threads=1, validate_features=False)


class XGBoost:
    def __init__(self, df, y, p):
        p = dict(dict(objective="reg:squarederror", max_depth=6, learning_rate=0.1, seed=1, nthread=2), **p)
        stop, rounds = p.pop("stop", False), args.trees
        if p["objective"].startswith("multi"):
            p["num_class"] = 4
        if "num_parallel_tree" in p:
            rounds = 1
        if p.get("booster") == "dart":
            rounds //= 4
        more = dict(evals=[(xgb.DMatrix(df, rng.permutation(y), enable_categorical=True), "other")], early_stopping_rounds=3, verbose_eval=False) if stop else {}
        self.objective, self.file = p["objective"].replace("multi:softmax", "multi:softprob"), path("model.json")
        b = xgb.train(p, xgb.DMatrix(df, y, enable_categorical=True), rounds, **more)
        b.save_model(self.file)
        self.booster, self.range = xgb.Booster(model_file=self.file), (0, b.best_iteration + 1) if stop else (0, 0)
        if p["objective"] == "multi:softmax":
            self.booster.set_param({"objective": "multi:softprob"})

    def predict(self, df):
        return self.booster.predict(xgb.DMatrix(df, enable_categorical=True), iteration_range=self.range)

    def fast(self, df):
        x = pd.DataFrame({c: (df[c].cat.codes.replace(-1, np.nan) if isinstance(df[c].dtype, pd.CategoricalDtype) else df[c]).astype(np.float32) for c in df})
        x, b = np.ascontiguousarray(x.to_numpy()), self.booster
        b.set_param({"nthread": 1})
        return x, lambda rows: b.inplace_predict(rows, iteration_range=self.range, validate_features=False)


def schema(df, target):
    lines = ["version: 1", "columns:"]
    for c in df:
        kind = "categorical" if isinstance(df[c].dtype, pd.CategoricalDtype) else "boolean" if df[c].dtype == bool else "numeric"
        lines.append("  %s: {type: %s, nullable: %s}" % (c, kind, "false" if kind == "boolean" else "true"))
    return "\n".join(lines + ["  y: " + target]) + "\n"


def cells(df):
    """Rows as JSON has them."""
    out = df.astype(object).where(df.notna(), None)
    return [json.dumps(dict(zip(df.columns, row))) for row in out.itertuples(index=False)]


class Perennial:
    """The built program, on ports of its own."""

    def __init__(self):
        self.binary, self.timer = args.binary or rival.built("./cmd/perennial"), rival.built("./bench/training/imported")
        self.url = "http://127.0.0.1:%d" % rival.free_port()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PERENNIAL_")}
        self.env.update(PERENNIAL_API=self.url, PERENNIAL_PROJECT=path("project"), PERENNIAL_HOME=path("home"), PERENNIAL_LISTEN=self.url[7:],
                        PERENNIAL_TEMPORAL_PORT=str(rival.free_port()), PERENNIAL_TEMPORAL_UI_PORT=str(rival.free_port()))
        self("init", path("project"))
        self.up = subprocess.Popen([self.binary, "up"], env=self.env, stdout=open(path("up.log"), "w"), stderr=subprocess.STDOUT)
        for _ in range(120):
            try:
                urllib.request.urlopen(self.url + "/readyz", timeout=2)
                return
            except OSError:
                time.sleep(0.5)
        sys.exit("perennial up isn't ready: " + open(path("up.log")).read())

    def __call__(self, *words):
        for _ in range(50):
            done = subprocess.run([self.binary, *words], env=self.env, capture_output=True, text=True)
            if "isn't ready yet" not in done.stderr:
                break
            time.sleep(0.1)
        if done.returncode:
            sys.exit("perennial " + " ".join(words) + "\n" + done.stdout + done.stderr)
        return done.stdout

    def answers(self, name, rows, lib, target):
        """Imports the model, puts it into service and predicts the rows."""
        with open(path("schema.yaml"), "w") as f:
            f.write(schema(rows, target))
        made = json.loads(self("import", name, lib.file, "--schema", path("schema.yaml"), "--json"))
        self("rollout", "start", name, made["version"])
        with open(path("rows.jsonl"), "w") as f:
            f.write("\n".join(cells(rows)) + "\n")
        for _ in range(100):
            with urllib.request.urlopen(self.url + "/status") as r:
                if any(m["model"] == name and m["mode"] == "serving" for m in json.load(r)["models"]):
                    break
            time.sleep(0.1)
        self("predict", name, "--input", path("rows.jsonl"), "--output", path("answers.jsonl"), "--strict")
        out = [json.loads(line) for line in open(path("answers.jsonl"))]
        if made["task"] == "regression":
            return made, np.array([a["prediction"] for a in out], float)
        classes = made["classes"]
        for a in out:
            p = [a["probabilities"][c] for c in classes]
            assert a["prediction"] == classes[int(np.argmax(p))], a
        return made, np.array([[a["probabilities"][c] for c in classes] for a in out], float)

    def model_file(self, made):
        with urllib.request.urlopen(self.url + "/runs/%s/artifacts/model/model.perennial" % made["run_id"]) as r:
            open(path("served"), "wb").write(r.read())

    def stop(self):
        self.up.terminate()
        self.up.wait(30)


def speed(perennial, made, lib, rows):
    """Ratios of medians, ours by theirs, of five interleaved rounds."""
    perennial.model_file(made)
    codes = pd.DataFrame({c: (rows[c].cat.codes.replace(-1, np.nan) if isinstance(rows[c].dtype, pd.CategoricalDtype) else rows[c]).astype(float) for c in rows})
    codes.to_numpy().astype("<f8").tofile(path("rows.f64"))
    x, predict = lib.fast(rows)
    go = subprocess.Popen([perennial.timer, path("served"), path("rows.f64")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "GOMAXPROCS": "1"})
    one, many, ours_one, ours_many = [], [], [], []
    predict(x[:1])
    for _ in range(5):
        start = time.perf_counter()
        for i in range(200):
            predict(x[i : i + 1])
        one.append((time.perf_counter() - start) / 200)
        start = time.perf_counter()
        for i in range(0, len(x), 1000):
            predict(x[i : i + 1000])
        many.append((time.perf_counter() - start) / len(x))
        go.stdin.write("go\n")
        go.stdin.flush()
        a, b = map(float, go.stdout.readline().split())
        ours_one.append(a / 1e9)
        ours_many.append(b / 1e9)
    go.stdin.close()
    go.wait()
    m = statistics.median
    return "%8.2f µs of %8.2f = 1/%-6.0f %8.2f µs of %8.2f = %.2f" % (m(ours_one) * 1e6, m(one) * 1e6, m(one) / m(ours_one), m(ours_many) * 1e6, m(many) * 1e6, m(ours_many) / m(many))


perennial, worst = Perennial(), 0.0
try:
    print("LightGBM %s, XGBoost %s, %d rows each" % (lgb.__version__, xgb.__version__, args.rows))
    print("%-36s %9s %9s   %-38s %s" % ("MODEL", "GREATEST", "EQUAL", "ONE ROW: OURS OF THEIRS (a call)", "1,000 ROWS, A ROW: OURS OF THEIRS"))
    for i, (name, library, data, p) in enumerate(MODELS):
        df, y = table(20000, **data)
        objective = p.get("objective", "regression")
        y, target = label(y, objective)
        lib = LightGBM(df, y, p) if library == "lightgbm" else XGBoost(df, y, p)
        rows, _ = table(args.rows, **data)
        want = np.asarray(lib.predict(rows))
        made, got = perennial.answers("m%d" % i, rows, lib, target)
        if made["task"] == "classification" and want.ndim == 1:
            want = np.stack([(np.float32(1) if want.dtype == np.float32 else 1.0) - want, want], 1)
        want = want.astype(float)
        difference = np.max(np.abs(got - want) / np.maximum(1, np.abs(want)))
        worst = max(worst, difference)
        print("%-36s %9.1e %8.2f%%   %s" % (name, difference, 100 * np.mean(got == want), speed(perennial, made, lib, rows)), flush=True)
finally:
    perennial.stop()
print("greatest difference %.1e, limit %.0e" % (worst, LIMIT))
sys.exit(int(worst > LIMIT))

"""Compares random_forest with scikit-learn's: fit time, accuracy, prediction.

    python3 bench/training/forest.py [regression|classification|...] [--rounds 5]

HOUSING names the CSV where it isn't in data/raw (perennial data pull gets it).
It makes a venv of its own (bench/training/.venv-forest unless VENV is set),
installs the versions named below, builds the Go side and prints ratios from one
run: fits are interleaved, times are medians. Two threads each.
"""
import argparse, csv, json, os, statistics, subprocess, sys, tempfile, time, venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VENV = os.environ.get("VENV", os.path.join(HERE, ".venv-forest"))
NEEDS = ["numpy==2.4.6", "scikit-learn==1.9.1", "lightgbm==4.7.0"]


def inside():
    """Runs this script again with the venv's Python, made where it is missing."""
    python = os.path.join(VENV, "bin", "python")
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        return
    if not os.path.exists(python):
        venv.create(VENV, with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *NEEDS], check=True)
    os.execv(python, [python, *sys.argv])


inside()
import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, ExtraTreesRegressor, ExtraTreesClassifier


def housing():
    """California Housing on the reference split, as the pipeline uses it."""
    with open(os.environ.get("HOUSING", os.path.join(ROOT, "data/raw/california-housing.csv"))) as f:
        table = np.array([[float(v) for v in row] for row in list(csv.reader(f))[1:]])
    with open(os.path.join(ROOT, "pipelines/california-housing.split.csv")) as f:
        test = np.array([int(line) for line in f.read().split()[1:]])
    mask = np.zeros(len(table), bool)
    mask[test] = True
    return table[~mask, :-1], table[~mask, -1], table[mask, :-1], table[mask, -1]


class Go:
    """The Go side, one process for all commands."""

    def __init__(self):
        self.dir = tempfile.mkdtemp()
        binary = os.path.join(self.dir, "forest")
        subprocess.run(["go", "build", "-o", binary, "./bench/training/forest"], cwd=ROOT, check=True, env={**os.environ, "CGO_ENABLED": "0"})
        self.process = subprocess.Popen([binary, self.dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "GOMAXPROCS": "2"})

    def data(self, x, y, test, classes=0):
        self.shape = {"Rows": len(x), "Test": len(test), "Cols": x.shape[1], "Classes": classes}
        for name, a in (("x", x), ("y", y), ("test", test)):
            np.ascontiguousarray(a, dtype="<f8").tofile(os.path.join(self.dir, name + ".f64"))

    def fit(self, **settings):
        self.process.stdin.write(json.dumps({**self.shape, "Threads": 2, **settings}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        answer["p"] = np.fromfile(answer["predictions"], dtype="<f8").reshape(self.shape["Test"], -1)
        return answer


def compare(name, go, x, y, test, truth, make, score, rounds, **settings):
    classes = settings.pop("classes", 0)
    go.data(x, y, test, classes)
    ours, theirs, a, b = [], [], [], []
    for seed in range(rounds):
        g = go.fit(Trees=100, Seed=seed, **settings)
        ours.append(g["fit_seconds"])
        a.append(score(truth, g["p"]))
        m = make(seed)
        start = time.perf_counter()
        m.fit(x, y)
        theirs.append(time.perf_counter() - start)
        b.append(score(truth, m.predict_proba(test) if classes else m.predict(test)[:, None]))
    med = statistics.median
    print(f"{name}: fit {med(ours):.3f} s, scikit-learn {med(theirs):.3f} s, ratio {med(ours) / med(theirs):.3f} "
          f"(medians of {rounds}, interleaved, 2 threads); score {np.mean(a):.4f}, scikit-learn {np.mean(b):.4f} (means over {rounds} seeds; "
          f"{', '.join(f'{v:.4f}' for v in a)} | {', '.join(f'{v:.4f}' for v in b)})", flush=True)
    keep = {k: v for k, v in g.items() if k not in ("p", "predictions")}
    print("   ", json.dumps(keep), flush=True)


def rmse(y, p):
    return float(np.sqrt(np.mean((p[:, 0] - y) ** 2)))


def accuracy(y, p):
    return float(np.mean(p.argmax(1) == y))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["regression", "classification", "extra"])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    go = Go()
    x, y, test, truth = housing()
    cuts = np.quantile(y, [1 / 3, 2 / 3])
    k, ktruth = np.digitize(y, cuts), np.digitize(truth, cuts)
    if "regression" in args.what:
        compare("random_forest regression", go, x, y, test, truth, lambda s: RandomForestRegressor(100, n_jobs=2, random_state=s), rmse, args.rounds)
    if "classification" in args.what:
        compare("random_forest 3 classes", go, x, k, test, ktruth, lambda s: RandomForestClassifier(100, n_jobs=2, random_state=s), accuracy, args.rounds, classes=3)
    if "extra" in args.what:
        compare("extra_trees regression", go, x, y, test, truth, lambda s: ExtraTreesRegressor(100, n_jobs=2, random_state=s), rmse, args.rounds, Extra=True, NoBootstrap=True)
        compare("extra_trees 3 classes", go, x, k, test, ktruth, lambda s: ExtraTreesClassifier(100, n_jobs=2, random_state=s), accuracy, args.rounds, classes=3, Extra=True, NoBootstrap=True)


if __name__ == "__main__":
    main()

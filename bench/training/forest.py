"""Compares random_forest with scikit-learn's: fit time, accuracy, prediction.

    python3 bench/training/forest.py [regression|classification|...] [--rounds 5]

It makes a venv of its own (bench/training/.venv-forest unless VENV is set),
installs the versions named below, builds the Go side and prints ratios from one
run: fits are interleaved, times are medians. Two threads each. Accuracy varies
by 0.003 from seed to seed, so classification takes four times as many rounds.
"""
import argparse, json, statistics, time

import rival

rival.inside("forest", "numpy==2.4.6", "scikit-learn==1.9.1", "lightgbm==4.7.0")
import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor, ExtraTreesRegressor, ExtraTreesClassifier


class Ours(rival.Go):
    """The Go side with the table that it was given last."""

    def data(self, x, y, test, classes=0):
        self.shape = {"Rows": len(x), "Test": len(test), "Cols": x.shape[1], "Classes": classes}
        self.write(x=x, y=y, test=test)

    def fit(self, **settings):
        return self.ask(**{**self.shape, "Threads": 2, **settings})


def compare(name, go, x, y, test, truth, make, score, rounds, **settings):
    classes = settings.pop("classes", 0)
    go.data(x, y, test, classes)
    ours, theirs, a, b = [], [], [], []
    for seed in range(rounds):
        g = go.fit(Trees=100, Seed=seed, **settings)
        ours.append(g["fit_seconds"])
        a.append(score(truth, g["p"]))
        m = make(seed)
        theirs.append(rival.timed(m, x, y)[0])
        b.append(score(truth, m.predict_proba(test) if classes else m.predict(test)[:, None]))
    med = statistics.median
    print(f"{name}: fit {med(ours):.3f} s, scikit-learn {med(theirs):.3f} s, ratio {med(ours) / med(theirs):.3f} "
          f"(medians of {rounds}, interleaved, 2 threads); score {np.mean(a):.4f}, scikit-learn {np.mean(b):.4f} (means over {rounds} seeds; "
          f"{', '.join(f'{v:.4f}' for v in a)} | {', '.join(f'{v:.4f}' for v in b)})", flush=True)
    keep = {k: v for k, v in g.items() if k not in ("p", "predictions")}
    print("   ", json.dumps(keep), flush=True)


def predict(go, x, y, test):
    """Predictions by one thread: one row at a time and batches of 1,000, in processor time."""
    import lightgbm
    from sklearn.datasets import load_iris

    def batch(f, rows, n=3):
        f(rows[:1000])
        used, count = time.process_time(), 0
        for _ in range(n):
            for at in range(0, len(rows), 1000):
                f(rows[at : at + 1000])
                count += len(rows[at : at + 1000])
        return 1e6 * (time.process_time() - used) / count

    def report(name, g, library, theirs):
        print(f"{name}: one row {g['one_row_us']:.2f} us, batch {g['batch_us']:.2f} us a row; {library} batch {theirs:.2f} us a row, "
              f"ratio {g['batch_us'] / theirs:.3f} (processor time, 1 thread); {g['nodes']} nodes, file {g['file_bytes'] / 1e6:.2f} MB, "
              f"encode {g['encode_seconds']:.3f} s, decode {g['decode_seconds']:.3f} s, compile {g['compile_seconds']:.3f} s", flush=True)

    go.data(x, y, test)
    booster = lightgbm.LGBMRegressor(n_estimators=1000, learning_rate=0.05, num_leaves=31, n_jobs=1, verbose=-1).fit(x, y).booster_
    report("boosting 1000 x 31", go.fit(Boost=1000, Predict=5), "LightGBM", batch(lambda r: booster.predict(r, num_threads=1), test))
    m = RandomForestRegressor(100, n_jobs=2, random_state=0).fit(x, y).set_params(n_jobs=1)
    report("forest 100 deep", go.fit(Trees=100, Predict=5), "scikit-learn", batch(m.predict, test))
    ix, iy = load_iris(return_X_y=True)
    m = RandomForestClassifier(100, n_jobs=1, random_state=0).fit(ix, iy)
    many = np.tile(ix, (20, 1))
    go.data(ix, iy, many, 3)
    report("iris forest 100", go.fit(Trees=100, Predict=20), "scikit-learn", batch(m.predict_proba, many))


def rmse(y, p):
    return float(np.sqrt(np.mean((p[:, 0] - y) ** 2)))


def accuracy(y, p):
    return float(np.mean(p.argmax(1) == y))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["regression", "classification", "extra", "predict"])
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    go = Ours("forest", GOMAXPROCS="2")
    x, y, test, truth = rival.reference_split()
    cuts = np.quantile(y, [1 / 3, 2 / 3])
    k, ktruth = np.digitize(y, cuts), np.digitize(truth, cuts)
    if "regression" in args.what:
        compare("random_forest regression", go, x, y, test, truth, lambda s: RandomForestRegressor(100, n_jobs=2, random_state=s), rmse, args.rounds)
    if "classification" in args.what:
        compare("random_forest 3 classes", go, x, k, test, ktruth, lambda s: RandomForestClassifier(100, n_jobs=2, random_state=s), accuracy, 4 * args.rounds, classes=3)
    if "predict" in args.what:
        predict(go, x, y, test)
    if "extra" in args.what:
        compare("extra_trees regression", go, x, y, test, truth, lambda s: ExtraTreesRegressor(100, n_jobs=2, random_state=s), rmse, args.rounds, Extra=True, NoBootstrap=True)
        compare("extra_trees 3 classes", go, x, k, test, ktruth, lambda s: ExtraTreesClassifier(100, n_jobs=2, random_state=s), accuracy, args.rounds, classes=3, Extra=True, NoBootstrap=True)


if __name__ == "__main__":
    main()

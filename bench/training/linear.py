"""Compares the linear models and the metrics with scikit-learn's: agreement and fit time.

    python3 bench/training/linear.py [--rounds 5] [--rows 1000000] [--threads 2]

It makes a venv of its own (bench/training/.venv-linear unless VENV is set),
installs the versions named below, builds the Go side and prints, from one run:
- the greatest relative difference of coefficients and intercepts, both sides
  solved to the last digits (done when: 1e-6); an element that is below a
  thousandth of the greatest one counts as that thousandth;
- the ratio of the fit times with both sides' defaults (interleaved medians, the
  same threads for each), and which side's objective is lower then. Our default tolerances
  are tighter than scikit-learn's.
--rows sizes the generated table of 50 columns; 0 leaves it out. One thread is
the fairer comparison on a busy machine, where OpenBLAS's threads wait in loops.
"""
import argparse, os, statistics, sys, warnings

import rival

THREADS = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else "2"
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["GOMAXPROCS"] = THREADS
rival.inside("linear", "numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1")
import numpy as np
from scipy.special import logsumexp
from sklearn import datasets, metrics
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge

warnings.simplefilter("ignore")


class Ours(rival.Go):
    def fit(self, **command):
        return self.ask(Threads=int(THREADS), **command)


def difference(ours, theirs):
    theirs = np.ravel(theirs)
    size = np.maximum(np.abs(theirs), 1e-3 * np.abs(theirs).max())
    return float(np.max(np.abs(np.array(ours) - theirs) / np.where(size == 0, 1, size)))


def objective(kind, s, x, y, coef, intercept):
    coef = np.array(coef).reshape(len(np.ravel(intercept)), -1)
    z = x @ coef.T + np.ravel(intercept)
    if kind == "logistic_regression":
        z = np.column_stack([np.zeros(len(z)), z]) if z.shape[1] == 1 else z
        rho = s.get("L1Ratio", 0.0)
        loss = (logsumexp(z, axis=1) - z[np.arange(len(y)), y.astype(int)]).mean()
        return loss + (rho * np.abs(coef).sum() + (1 - rho) / 2 * (coef**2).sum()) / (s["C"] * len(y))
    residual = ((y - z[:, 0]) ** 2).sum()
    if kind in ("linear_regression", "ridge"):
        return residual + s.get("Alpha", 0) * (coef**2).sum()
    rho = s["L1Ratio"]
    return residual / (2 * len(y)) + s["Alpha"] * (rho * np.abs(coef).sum() + (1 - rho) / 2 * (coef**2).sum())


worst = 0.0


def compare(go, name, kind, x, y, exact, default, rounds, classes=0, ours=None, **settings):
    """exact and default make scikit-learn's models; settings and ours are the Go side's."""
    global worst
    go.write(x=x, y=y)
    shape = {"Kind": kind, "Rows": len(x), "Cols": x.shape[1], "Classes": classes, **settings}
    line = f"{name:42s}"
    if exact is not None:
        g, m = go.fit(**shape, Tolerance=1e-13 if kind in ("lasso", "elastic_net") else 1e-11, MaxIterations=10**7), exact().fit(x, y)
        d = max(difference(g["coef"], m.coef_), difference(g["intercept"], m.intercept_))
        worst = max(worst, d)
        line += f" difference {d:8.1e}"
    a, b = [], []
    for _ in range(rounds):
        g = go.fit(**shape, **(ours or {}))
        a.append(g["seconds"])
        m = default()
        b.append(rival.timed(m, x, y)[0])
    fa, fb = objective(kind, settings, x, y, g["coef"], g["intercept"]), objective(kind, settings, x, y, m.coef_, m.intercept_)
    gap = (fa - fb) / abs(fb)
    line += f"; time {statistics.median(a):.4f} s : {statistics.median(b):.4f} s = {statistics.median(a) / statistics.median(b):.3f}; objective {'equal' if abs(gap) < 1e-12 else f'{gap:+.1e}'}"
    print(line, flush=True)


def logistic(c=1.0, l1_ratio=0.0, exact=False):
    solver = ("newton-cholesky" if exact else "lbfgs") if l1_ratio == 0 else "saga"
    more = {"tol": 1e-13, "max_iter": 10**7} if exact else {"max_iter": 1000}
    return lambda: LogisticRegression(C=c, l1_ratio=l1_ratio, solver=solver, random_state=0, **more)


def fits(go, name, x, y, classes, rounds, exact=True):
    z = (x - x.mean(0)) / np.where(x.std(0) == 0, 1, x.std(0))
    if classes:
        l2, l1 = {"C": 1.0, "Penalty": "l2"}, {"C": 1.0, "Penalty": "l1", "L1Ratio": 1.0}
        if exact:
            compare(go, f"{name}, logistic l2, unscaled", "logistic_regression", x, y, logistic(exact=True), logistic(), rounds, classes, **l2)
        compare(go, f"{name}, logistic l2", "logistic_regression", z, y, logistic(exact=True) if exact else None, logistic(), rounds, classes, **l2)
        if len(x) < 100_000:  # saga takes hours beyond
            compare(go, f"{name}, logistic l1", "logistic_regression", z, y, logistic(l1_ratio=1.0, exact=True) if exact else None, logistic(l1_ratio=1.0), rounds, classes, **l1)
        return
    tight = {"tol": 1e-13, "max_iter": 10**7}
    alpha = 0.01 * float(y.std())
    compare(go, f"{name}, linear_regression", "linear_regression", x, y, LinearRegression, LinearRegression, rounds, Cutoff=1e-6)
    compare(go, f"{name}, ridge", "ridge", x, y, lambda: Ridge(alpha=1.0, solver="svd"), lambda: Ridge(alpha=1.0), rounds, Alpha=1.0)
    compare(go, f"{name}, lasso", "lasso", z, y, lambda: Lasso(alpha=alpha, **tight), lambda: Lasso(alpha=alpha), rounds, Alpha=alpha, L1Ratio=1.0)
    compare(go, f"{name}, elastic_net", "elastic_net", z, y, lambda: ElasticNet(alpha=alpha, l1_ratio=0.5, **tight), lambda: ElasticNet(alpha=alpha, l1_ratio=0.5), rounds, Alpha=alpha, L1Ratio=0.5)


def scores(go, rng, n):
    """The metrics, with ties, against scikit-learn's."""
    global worst
    for k in (2, 4):
        y = rng.integers(0, k, n)
        p = np.round(rng.dirichlet(np.ones(k), n) * 20 + 10 * np.eye(k)[y] * rng.uniform(size=(n, 1))) + 0.1
        p /= p.sum(1, keepdims=True)
        v = p.argmax(1)
        go.write(y=y, values=v, proba=p)
        got = go.fit(Kind="metrics", Rows=n, Classes=k)["metrics"]
        average = "binary" if k == 2 else "macro"
        want = {"accuracy": metrics.accuracy_score(y, v), "balanced_accuracy": metrics.balanced_accuracy_score(y, v), "log_loss": metrics.log_loss(y, p),
                "brier_score_loss": metrics.brier_score_loss(y, p[:, 1] if k == 2 else p), "matthews_corrcoef": metrics.matthews_corrcoef(y, v),
                "cohen_kappa": metrics.cohen_kappa_score(y, v), "average_precision": metrics.average_precision_score(y, p[:, 1] if k == 2 else p)}
        if k > 2:
            want["top_k_accuracy"] = metrics.top_k_accuracy_score(y, p, k=2)
        for how in ("ovr", "ovo"):
            for w in ("macro", "weighted"):
                want[f"roc_auc_{how}" + ("" if w == "macro" else "_weighted")] = metrics.roc_auc_score(y, p[:, 1]) if k == 2 else metrics.roc_auc_score(y, p, multi_class=how, average=w)
        want["roc_auc"] = want["roc_auc_ovr"]
        for name, f in (("precision", metrics.precision_score), ("recall", metrics.recall_score), ("f1", metrics.f1_score), ("jaccard", metrics.jaccard_score)):
            want[name] = f(y, v, average=average)
            for a in ("macro", "weighted", "micro"):
                want[f"{name}_{a}"] = f(y, v, average=a)
        report(f"metrics of {k} classes", got, want)
    y = np.exp(rng.normal(1, 1, n))
    v = y * np.exp(rng.normal(0, 0.5, n))
    go.write(y=y, values=v)
    got = go.fit(Kind="metrics", Rows=n, Classes=0)["metrics"]
    names = {"rmse": "root_mean_squared_error", "r2": "r2_score", "explained_variance": "explained_variance_score"}
    report("metrics of numbers", got, {name: getattr(metrics, names.get(name, name))(y, v) for name in got})


def report(what, got, want):
    global worst
    assert got.keys() == want.keys(), got.keys() ^ want.keys()
    d = {name: abs(got[name] - want[name]) / max(abs(want[name]), 1e-300) for name in want}
    name = max(d, key=d.get)
    worst = max(worst, d[name])
    print(f"{what:42s} difference {d[name]:8.1e} ({len(d)} metrics, greatest for {name})", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)  # read above
    args = parser.parse_args()
    go, rng = Ours("linear"), np.random.default_rng(0)
    scores(go, rng, 20_000)
    for name, data in (("iris", datasets.load_iris()), ("wine", datasets.load_wine()), ("breast cancer", datasets.load_breast_cancer())):
        fits(go, name, data.data, data.target, int(data.target.max()) + 1, args.rounds)
    data = datasets.load_diabetes()
    fits(go, "diabetes", data.data, data.target, 0, args.rounds)
    try:
        table = rival.housing()
    except FileNotFoundError:  # perennial data pull gets it
        table = None
    if table is not None:
        fits(go, "California Housing", table[:, :-1], table[:, -1], 0, args.rounds)
        fits(go, "California Housing in 3", table[:, :-1], np.digitize(table[:, -1], np.quantile(table[:, -1], [1 / 3, 2 / 3])), 3, args.rounds, exact=False)
    if args.rows:
        x = rng.normal(size=(args.rows, 50))
        y = x @ (rng.normal(size=50) / 5) + rng.normal(size=args.rows)
        rounds = min(args.rounds, 3)
        fits(go, f"{args.rows:,} x 50", x, y, 0, rounds)
        fits(go, f"{args.rows:,} x 50", x, (y > 0).astype(float), 2, rounds, exact=False)
    print(f"greatest relative difference: {worst:.1e} ({'within' if worst <= 1e-6 else 'ABOVE'} 1e-6)")
    sys.exit(worst > 1e-6)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares Perennial's TPE (rounds of 8) with Optuna's on five functions, 50 trials each.

Regret is the best score found above the function's least. It prints the median over
seeds, and Perennial's as a ratio of Optuna's: asked one at a time, which no parallel
search can be, and asked 8 at a time, as Perennial does. It fails where the geometric
mean of the latter ratios is above 1.25. Run: python3 bench/training/tpe.py

It makes a venv of its own (bench/training/.venv-tpe unless VENV is set) and needs Go;
SEEDS=200 makes the medians steadier.
"""
import json, math, os, statistics, subprocess, sys

import rival

rival.inside("tpe", "optuna==4.5.0")
import optuna

TRIALS, ROUND, SEEDS = 50, 8, int(os.environ.get("SEEDS", "60"))
optuna.logging.set_verbosity(optuna.logging.ERROR)


def branin(p):  # Dixon and Szegő 1978
    x, y = p["x"], p["y"]
    return (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.39788735772973816


def hartmann3(p):
    a = [[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]
    b = [[0.3689, 0.117, 0.2673], [0.4699, 0.4387, 0.747], [0.1091, 0.8732, 0.5547], [0.03815, 0.5743, 0.8828]]
    x = [p["x"], p["y"], p["z"]]
    return 3.8627797869493365 - sum(c * math.exp(-sum(a[i][j] * (x[j] - b[i][j]) ** 2 for j in range(3))) for i, c in enumerate([1, 1.2, 3, 3.2]))


def rosenbrock(p):
    return math.log1p(100 * (p["y"] - p["x"] ** 2) ** 2 + (1 - p["x"]) ** 2)


def boosting(p):  # the shape of a boosted ensemble's error
    out = (math.log10(p["rate"]) + 1.3) ** 2 + 0.1 * (math.log2(p["leaves"]) - 5) ** 2 + 0.02 * abs(p["depth"] - 7)
    return out + (0 if p["loss"] == "huber" else 0.3)


def family(p):  # which algorithm, each with its own parameter
    kind = p["kind"]
    at = {"ridge": lambda: 0.4 + 0.05 * (math.log10(p["alpha"]) - 1) ** 2, "forest": lambda: 0.2 + 0.01 * abs(p["depth"] - 9),
          "boosting": lambda: 0.3 * (math.log10(p["rate"]) + 1.5) ** 2}
    return at[kind]()


F, LOG, INT, INTLOG, CHOICE = "float", "log", "int", "int_log", "choice"
FUNCTIONS = {
    "branin": (branin, [(None, [("x", F, -5, 10), ("y", F, 0, 15)])]),
    "hartmann3": (hartmann3, [(None, [("x", F, 0, 1), ("y", F, 0, 1), ("z", F, 0, 1)])]),
    "rosenbrock": (rosenbrock, [(None, [("x", F, -2, 2), ("y", F, -1, 3)])]),
    "boosting": (boosting, [(None, [("rate", LOG, 0.001, 1), ("leaves", INTLOG, 2, 512), ("depth", INT, 1, 16), ("loss", CHOICE, ["squared", "absolute", "huber"])])]),
    "family": (family, [("ridge", [("alpha", LOG, 1e-4, 1e4)]), ("forest", [("depth", INT, 1, 16)]), ("boosting", [("rate", LOG, 1e-4, 1)])]),
}


def suggest(trial, spaces):
    p = {}
    kind = spaces[0][0] if len(spaces) == 1 else trial.suggest_categorical("kind", [k for k, _ in spaces])
    if kind:
        p["kind"] = kind
    for name, how, *args in dict(spaces)[kind]:
        if how == CHOICE:
            p[name] = trial.suggest_categorical(name, args[0])
        elif how in (INT, INTLOG):
            p[name] = trial.suggest_int(f"{kind}{name}", *args, log=how == INTLOG)
        else:
            p[name] = trial.suggest_float(f"{kind}{name}", *args, log=how == LOG)
    return p


def by_optuna(f, spaces, seed, at_once):
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=at_once > 1))
    best, left = math.inf, TRIALS
    while left:
        batch = [study.ask() for _ in range(min(at_once, left))]
        scores = [f(suggest(t, spaces)) for t in batch]
        for t, s in zip(batch, scores):
            study.tell(t, s)
        best, left = min(best, *scores), left - len(batch)
    return best


def wire(spaces, random):
    """The first trial of a candidate has no searched parameter; it is drawn like Optuna's first."""
    def range_of(name, how, *args):
        return {"name": name, "kind": how, "choices": args[0]} if how == CHOICE else {"name": name, "kind": how, "low": args[0], "high": args[1]}
    first = {F: random.uniform, LOG: lambda a, b: math.exp(random.uniform(math.log(a), math.log(b))), INT: random.randint, INTLOG: random.randint, CHOICE: random.choice}
    return [{"algorithm": k or "f", "params": {n: first[how](*args) for n, how, *args in space}, "search": [range_of(*r) for r in space]} for k, space in spaces]


def by_perennial(pipe, f, spaces, seed, strategy):
    import random
    say = lambda v: (pipe.stdin.write(json.dumps(v) + "\n"), pipe.stdin.flush())
    say({"tuning": {"strategy": strategy, "trials": TRIALS, "folds": 2, "max_time": "1h", "parallel": 1, "seed": seed}, "candidates": wire(spaces, random.Random(seed))})
    best = math.inf
    while batch := json.loads(pipe.stdout.readline()):
        scores = [f({**t["params"], "kind": spaces[t["candidate"]][0]}) for t in batch]
        best = min(best, *scores)
        say(scores)
    return best


def main():
    pipe = subprocess.Popen([rival.built("./bench/training/tpe")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    print(f"median regret of {SEEDS} studies of {TRIALS} trials; optuna {optuna.__version__}\n")
    print(f"{'function':12}{'random':>11}{'optuna 1':>11}{'optuna 8':>11}{'perennial':>11}{'/optuna 1':>11}{'/optuna 8':>11}")
    ratios = []
    for name, (f, spaces) in FUNCTIONS.items():
        m = lambda run: statistics.median(run(seed) for seed in range(SEEDS))
        mine = m(lambda s: by_perennial(pipe, f, spaces, s, "tpe"))
        random = m(lambda s: by_perennial(pipe, f, spaces, s, "random"))
        one, eight = m(lambda s: by_optuna(f, spaces, s, 1)), m(lambda s: by_optuna(f, spaces, s, ROUND))
        ratios.append((mine / one, mine / eight))
        print(f"{name:12}{random:11.4g}{one:11.4g}{eight:11.4g}{mine:11.4g}{mine / one:11.2f}{mine / eight:11.2f}", flush=True)
    pipe.stdin.close()
    geo = [statistics.geometric_mean(r) for r in zip(*ratios)]
    print(f"\ngeometric mean of the ratios: {geo[0]:.2f} of Optuna one at a time, {geo[1]:.2f} of Optuna eight at a time")
    sys.exit(0 if geo[1] <= 1.25 else 1)


main()

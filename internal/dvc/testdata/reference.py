"""Writes reference.json: what real DVC writes, for the tests of internal/dvc.

Needs git, and the Python package dvc (made with 3.67.1) with its command on PATH.
Usage: python reference.py > reference.json
"""
import json
import os
import random
import subprocess
import tempfile
from collections import OrderedDict
from pathlib import Path

import dvc
from dvc.utils.serialize import dumps_yaml

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def entry(path, size=0):
    return {"path": path, "hash": "md5", "md5": MD5, "size": size}


def texts():
    """Texts as command, path and output path of a lock file."""
    fixed = """true True yes no null ~ 1 1.5 1e5 0o7 0x1F 1_000 - a:b a#b #a 'a' it's "a" a"b 2020-01-01 << = .inf .nan ? ?a :a -a ...
    %a @a `a [a a[ {a a] a,b ,a !a &a *a |a >a é data/ünï/日本.csv 😀.csv a\\b +1 + -.5 12:30:45 1:20 C:\\data a: 12345678901234567890""".split()
    fixed += ["- a", "a: b", "a #b", "? a", ": a", "--- a", " a", "a "]
    words = 'perennial train iris --wait x # : - a:b # "d" {a} [b] é … true 1 ~ a# #b k: v, *s &t !u %v @w `z` ? | > 12:30 1e5 .5 long-'.split()
    rnd = random.Random(1)
    fixed += [" ".join(rnd.choice(words) for _ in range(rnd.randint(8, 30))) for _ in range(60)]
    fixed += [" ".join("w" * rnd.randint(1, 90) for _ in range(rnd.randint(1, 8))) for _ in range(20)]
    fixed += ["a  b", "a:  b", " a  b "]  # in a folded line DVC 3.67 loses one of two spaces: not to be copied
    return [
        {"text": t, "lock": dumps_yaml({"schema": "2.0", "stages": {"s": OrderedDict(
            cmd=t, deps=[entry(t)], outs=[entry(t + ".out", 3)])}})}
        for t in fixed
    ]


def params():
    values = OrderedDict([
        ("a.b", 0.8), ("c", None), ("d", True), ("e", 1e-5), ("f", 1e16), ("g", 2.0), ("h", "x: y"), ("i", 12345678901234567890),
        ("j", float("-inf")), ("k", 1e22), ("l", 0.0001), ("m", "yes"), ("n", -0.0), ("o", 123456789012345.6), ("p", ""), ("q", float("nan")), ("r", -7),
    ])
    return dumps_yaml({"schema": "2.0", "stages": {"s": OrderedDict(
        cmd="x", params=OrderedDict([("params.yaml", values), ("a.yaml", OrderedDict(z=1))]))}})


def project():
    """A project made with dvc's own commands: every file it writes."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        env = {**os.environ, "DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(root / "site")}

        def run(*cmd):
            subprocess.run(cmd, cwd=root / "p", env=env, check=True, stdout=subprocess.DEVNULL)

        (root / "p/data").mkdir(parents=True)
        run("git", "init", "-q", ".")
        run("dvc", "init", "-q")
        init = {f: (root / "p" / f).read_text() for f in (".dvc/.gitignore", ".dvc/config", ".dvc/tmp/btime", ".dvcignore")}
        run("dvc", "config", "core.analytics", "false")
        run("dvc", "remote", "add", "-q", "-d", "local", "data/remote")
        data = {"iris.csv": "a,b\n1,2\n", "empty": "", "we#i[r]d! na*me.bin": "x", "- a: b": "y", "run.sh": "#!/bin/sh\ncat data/iris.csv\n"}
        for f, text in data.items():
            (root / "p/data" / f).write_text(text)
        (root / "p/data/run.sh").chmod(0o755)
        for f in data:
            run("dvc", "add", "-q", "data/" + f)
        run("dvc", "push", "-q")
        (root / "p/dvc.yaml").write_text("""stages:
  train:
    foreach: [iris, empty]
    do:
      cmd: sh data/run.sh > ${item}.model && echo 1 > ${item}.json
      deps: [data/run.sh, data/iris.csv]
      outs: ["${item}.model"]
      metrics: ["${item}.json": {cache: false}]
""")
        run("dvc", "repro", "-q", "train@iris")
        one = (root / "p/dvc.lock").read_text()
        run("dvc", "repro", "-q")
        both = (root / "p/dvc.lock").read_text()
        keep = {str(f.relative_to(root / "p")): f.read_text() for f in sorted((root / "p").rglob("*"))
                if f.is_file() and (f.name.endswith(".dvc") or f.name == ".gitignore" or "remote/" in str(f))
                and ".git/" not in str(f) and ".dvc/cache" not in str(f)}
        return {"init": init, "config": (root / "p/.dvc/config").read_text(), "data": data, "files": keep, "lock_one": one, "lock_both": both}


print(json.dumps({"dvc": dvc.__version__, "texts": texts(), "params": params(), "project": project()}, indent=1, ensure_ascii=False))

"""Each tool's push is the other's pull, and neither is stopped halfway."""

import functools
import hashlib
import os
import random
import signal
import subprocess
import time

import boto3
import pytest

TOOLS = {
    "dvc": (lambda p, *paths: p.dvc("add", *paths), lambda p, *a: p.dvc("push", *a), lambda p, *a: p.dvc("pull", *a)),
    "perennial": (
        lambda p, *paths: p.perennial("data", "add", "--local", *paths),
        lambda p, *a: p.perennial("data", "push", *a),
        lambda p, *a: p.perennial("data", "pull", *a),
    ),
}


def fill(p):
    p.write("data/table.csv", b"a,b\n1,2\n")
    p.write("data/empty.csv", b"")
    for name, content in {"1.txt": b"1", "sub/deep/2.txt": b"2", "ü — 漢.txt": b"1", "empty": b"", "r\r\n.txt": b"\r\n"}.items():
        p.write("data/imgs/" + name, content)


def clone(p, other):
    """Gives another project the pointers, as git would."""
    for file in [*p.path.glob("data/*.dvc"), *p.path.glob("data/.gitignore")]:
        other.write(str(file.relative_to(p.path)), file.read_bytes())


@pytest.mark.parametrize("pusher,puller", [("dvc", "perennial"), ("perennial", "dvc")])
def test_ones_push_is_the_others_pull(new_project, settings, pusher, puller):
    here, there = new_project("here", settings), new_project("there", settings)
    fill(here)
    add, push, _ = TOOLS[pusher]
    add(here, "data/table.csv", "data/empty.csv", "data/imgs")
    push(here)
    assert here.clean()
    clone(here, there)
    TOOLS[puller][2](there)
    assert there.files("data") == here.files("data")
    assert there.clean()
    assert "up to date" in TOOLS[puller][1](there).lower(), "the other tool finds nothing to push"
    there.write("data/imgs/3.txt", b"3")
    (there.path / "data/imgs/1.txt").unlink()
    TOOLS[puller][0](there, "data/imgs")
    TOOLS[puller][1](there)
    here.write("data/imgs.dvc", (there.path / "data/imgs.dvc").read_bytes())
    TOOLS[pusher][2](here)
    assert here.files("data/imgs") == there.files("data/imgs"), "a file that is gone there is gone here"
    assert here.clean()


@functools.cache
def client(endpoint):
    return boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


def bucket_of(settings):
    bucket, prefix = settings["url"].removeprefix("s3://").split("/", 1)
    return client(settings["endpointurl"]), bucket, prefix + "/"


def names(settings, root):
    """The paths of a remote's objects, or of a cache's."""
    if settings is None or "endpointurl" not in settings:
        return [str(f.relative_to(root)) for f in (root / "files/md5").rglob("*") if f.is_file()]
    s3, bucket, prefix = bucket_of(settings)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [o["Key"].removeprefix(prefix) for page in pages for o in page.get("Contents", [])]


def objects(settings, root):
    """Every object of a remote, or of a cache, by its path."""
    found = names(settings, root)
    if settings is None or "endpointurl" not in settings:
        return {name: (root / name).read_bytes() for name in found}
    s3, bucket, prefix = bucket_of(settings)
    return {name: s3.get_object(Bucket=bucket, Key=prefix + name)["Body"].read() for name in found}


def assert_sound(found):
    for name, content in found.items():
        parts = name.split("/")
        assert hashlib.md5(content).hexdigest() == (parts[-2] + parts[-1]).removesuffix(".dir"), name


def killed(p, *args, found):
    """Starts perennial, kills it as soon as one more object is found, and says whether it was still at work."""
    before = len(found())
    process = subprocess.Popen(["nice", "-n", "19", "perennial", *args], cwd=p.path, env=p.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(found()) == before:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_killed_in_the_middle(new_project, settings, tmp_path):
    here, there = new_project("here", settings), new_project("there", settings)
    rng = random.Random(1)
    for i in range(100):
        here.write(f"data/imgs/{i}", rng.randbytes(50_000))
    here.perennial("data", "add", "--local", "data/imgs")

    def pushed():
        return names(settings, tmp_path / "remote")

    hits = 0
    for _ in range(3):
        hits += killed(here, "data", "push", found=pushed)
        assert_sound(objects(settings, tmp_path / "remote"))
    assert hits, "no kill came in time"
    here.perennial("data", "push")
    assert here.clean()
    clone(here, there)
    cache = there.path / ".dvc/cache"
    hits = 0
    for _ in range(3):
        hits += killed(there, "data", "pull", found=lambda: names(None, cache))
        assert_sound(objects(None, cache))
        for name, content in (there.files("data/imgs") if (there.path / "data/imgs").exists() else {}).items():
            if not os.path.basename(name).startswith(".perennial-"):
                assert content == (here.path / name).read_bytes(), name
    assert hits, "no kill came in time"
    there.perennial("data", "pull", "--force")
    assert there.files("data/imgs") == here.files("data/imgs")
    assert there.clean()


@pytest.mark.parametrize("settings", ["s3"], indirect=True)
def test_errors_say_what_to_do(new_project, settings):
    p = new_project("p", settings)
    p.write("x.csv", b"x")
    p.perennial("data", "add", "--local", "x.csv")

    def fault(**change):
        for key, value in change.items():
            p.dvc("remote", "modify", "--local", "far", key, value) if value else p.dvc("remote", "modify", "--local", "--unset", "far", key)
        done = subprocess.run(["perennial", "data", "push"], cwd=p.path, env=p.env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 1, done.stdout
        return done.stderr

    assert "there is no bucket absent-bucket" in fault(url="s3://absent-bucket/x")
    assert "there are no credentials" in fault(access_key_id=None, secret_access_key=None)
    assert "can't reach http://127.0.0.1:1" in fault(endpointurl="http://127.0.0.1:1", access_key_id="test", secret_access_key="test")

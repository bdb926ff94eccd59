"""Projects for the tests, and real dvc and perennial to work on them in turn.

PERENNIAL_TEST_BINARY names the program. S3 is moto's server, in this process;
with PERENNIAL_TEST_S3 one that is there already.
"""

import itertools
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ["PERENNIAL_TEST_BINARY"]).resolve()
WAIT = 600  # seconds that one command may take on a loaded machine


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """An environment in which both programs are found, and nothing of this machine's."""
    bin_dir = tmp_path_factory.mktemp("bin")
    (bin_dir / "perennial").symlink_to(BINARY)
    nowhere = tmp_path_factory.mktemp("aws")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "GIT_", "DVC_", "PERENNIAL_"))}
    env.update(
        PATH=f"{bin_dir}:{Path(sys.executable).parent}:{env['PATH']}", DVC_NO_ANALYTICS="1", CI="1",
        DVC_SITE_CACHE_DIR=str(tmp_path_factory.mktemp("site")), DVC_GLOBAL_CONFIG_DIR=str(nowhere), DVC_SYSTEM_CONFIG_DIR=str(nowhere),
        GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_SYSTEM=os.devnull,
        AWS_CONFIG_FILE=str(nowhere / "config"), AWS_SHARED_CREDENTIALS_FILE=str(nowhere / "credentials"), AWS_EC2_METADATA_DISABLED="true",
    )
    return env


@pytest.fixture(scope="session")
def s3():
    given = os.environ.get("PERENNIAL_TEST_S3")
    if given:
        yield given
        return
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def free_ports(n):
    """Ports that nobody listens on, none of those that the system gives to whoever asks for any."""

    def free(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) != 0

    return list(itertools.islice(filter(free, random.sample(range(20000, 32000), 1000)), n))


class Project:
    """A directory under git and DVC."""

    def __init__(self, path, env):
        self.path, self.env = path, env

    def run(self, *command, ok=(0,)):
        done = subprocess.run([str(c) for c in command], cwd=self.path, env=self.env, capture_output=True, text=True, timeout=WAIT, check=False)
        assert done.returncode in ok, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def dvc(self, *args):
        return self.run("dvc", *args)

    def perennial(self, *args, **kw):
        return self.run("perennial", *args, **kw)

    def clean(self):
        return json.loads(self.dvc("status", "--json")) == {} and json.loads(self.dvc("status", "-c", "--json")) == {}

    def write(self, name, content):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def files(self, below):
        return {str(f.relative_to(self.path)): f.read_bytes() for f in sorted((self.path / below).rglob("*")) if f.is_file()}


@pytest.fixture
def new_project(tmp_path, programs):
    """Makes a project in a directory of its own, with a remote."""

    def make(name, settings):
        path = tmp_path / name
        path.mkdir()
        p = Project(path, programs)
        p.run("git", "init", "--quiet")
        p.dvc("init", "--quiet")
        p.dvc("remote", "add", "-d", "far", settings["url"])
        for key, value in settings.items():
            if key != "url":
                p.dvc("remote", "modify", "--local", "far", key, value)
        return p

    return make


@pytest.fixture(params=["local", "s3"])
def settings(request, tmp_path):
    """DVC's settings of an empty remote."""
    if request.param == "local":
        return {"url": str(tmp_path / "remote")}
    endpoint, bucket = request.getfixturevalue("s3"), f"b-{uuid.uuid4()}"
    boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test").create_bucket(Bucket=bucket)
    return {"url": f"s3://{bucket}/pre/fix", "endpointurl": endpoint, "region": "us-east-1", "access_key_id": "test", "secret_access_key": "test"}


@pytest.fixture
def demo(tmp_path, programs):
    """Perennial's own repository as a project: pipelines, data in its remote, dvc.yaml and dvc.lock."""
    path = tmp_path / "demo"
    for name in ("dvc.yaml", "dvc.lock", ".dvcignore", ".dvc/config", ".dvc/.gitignore", "models/trained/.gitignore"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path / name)
    for name in ("pipelines", "data/remote", "reports"):
        shutil.copytree(ROOT / name, path / name, ignore=shutil.ignore_patterns("*.go"))
    (path / "data/raw").mkdir()
    for file in [*(ROOT / "data/raw").glob("*.dvc"), ROOT / "data/raw/.gitignore"]:
        shutil.copy(file, path / "data/raw")
    (path / ".gitignore").write_text("/.perennial/\n")
    p = Project(path, programs)
    p.run("git", "init", "--quiet")
    p.run("git", "add", ".")
    p.run("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "demo")
    return p

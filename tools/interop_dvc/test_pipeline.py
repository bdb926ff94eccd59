"""dvc repro and a training on a server run the same code and give the same files."""

import json
import socket
import subprocess
import time

import pytest
from conftest import free_ports

STAGE = "train-iris"


@pytest.fixture
def trained(demo):
    """The demo as a clone has it after a pull."""
    demo.perennial("data", "pull")
    return demo


def test_a_pulled_clone_is_clean(trained):
    assert trained.clean()
    lock = (trained.path / "dvc.lock").read_bytes()
    assert "Running stage" not in trained.dvc("repro")
    assert (trained.path / "dvc.lock").read_bytes() == lock


def test_repro_makes_what_is_locked(trained):
    lock = (trained.path / "dvc.lock").read_bytes()
    assert "Running stage" in trained.dvc("repro", "-f", "--no-run-cache", STAGE)
    assert (trained.path / "dvc.lock").read_bytes() == lock
    assert trained.run("git", "status", "--porcelain") == ""


def test_metrics_params_and_plots_are_read(trained):
    metrics = json.loads(trained.dvc("metrics", "show", "--json"))[""]["data"]
    assert set(metrics) == {"reports/iris.json", "reports/california-housing.json"}
    file = trained.path / "pipelines/iris.yaml"
    file.write_text(file.read_text().replace("trials: 9", "trials: 8") + "# a comment\n")
    diff = json.loads(trained.dvc("params", "diff", "--json"))
    assert diff == {"pipelines/iris.yaml": {"tuning.trials": {"old": 9, "new": 8, "diff": -1}}}
    assert set(json.loads(trained.dvc("status", "--json"))) == {STAGE}
    plots = trained.dvc("plots", "show", "-o", "plots", "--json")
    assert "reports/iris.csv" in plots
    assert "reports/california-housing.csv" in plots


def test_a_training_on_a_server_gives_the_same(trained):
    want = (trained.path / "dvc.lock").read_bytes()
    with server(trained) as api:
        trained.path.joinpath("dvc.lock").write_bytes(without(want, STAGE))
        for name in ("models/trained/iris.model", "reports/iris.json", "reports/iris.csv"):
            (trained.path / name).unlink()
        done = trained.perennial("train", "iris", "--wait", "--api", api)
        assert "wrote:     dvc.lock" in done
        assert json.loads(trained.dvc("status", "--json")) == {}
        assert locked(trained) == locked_in(want)
        run = next(line.split()[1] for line in done.splitlines() if line.startswith("run:"))
        trained.path.joinpath("dvc.lock").write_bytes(want.replace(b"cmd: perennial stage train iris", b"cmd: something else"))
        (trained.path / "models/trained/iris.model").unlink()
        trained.perennial("data", "lock", run, "--api", api)
        assert (trained.path / "dvc.lock").read_bytes() == want
        assert trained.clean()


def without(lock, stage):
    """dvc.lock without a stage that isn't the last one."""
    text = lock.decode()
    begin = text.index(f"  {stage}:\n")
    end = text.index("\n  train-", begin) + 1
    return (text[:begin] + text[end:]).encode()


def locked_in(lock):
    parts = lock.decode().split("\n  train-")
    return {p.split(":", 1)[0]: p.rstrip("\n") for p in parts[1:]}


def locked(p):
    return locked_in((p.path / "dvc.lock").read_bytes())


class server:
    """perennial up on a project, on ports of its own."""

    def __init__(self, p):
        self.p = p

    def __enter__(self):
        api, temporal, ui = free_ports(3)
        self.log = (self.p.path.parent / "up.log").open("w")
        self.process = subprocess.Popen(
            ["perennial", "up", "--no-bootstrap", "--listen", f"127.0.0.1:{api}", "--temporal-port", str(temporal), "--ui-port", str(ui)],
            cwd=self.p.path, env=self.p.env, stdout=self.log, stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + 180
        while True:
            try:
                socket.create_connection(("127.0.0.1", api), 1).close()
                return f"http://127.0.0.1:{api}"
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, "perennial up didn't start"
                time.sleep(0.2)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.log.close()

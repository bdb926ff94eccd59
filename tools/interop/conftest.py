"""A server for the tests: `perennial up` on ports of its own, ended with them.

PERENNIAL_TEST_BINARY names the program. With INTEROP_URI the tests run against a
server that is there already. MLflow's own passes them, too, but for some of the
paths in test_mlflow_bad_input.py, which it takes or answers with 500.
"""

import itertools
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid

for name, value in {
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a 5xx must fail a test, not hang it
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}.items():
    os.environ.setdefault(name, value)
for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_TOKEN"):
    os.environ.pop(name, None)

import mlflow  # noqa: E402  (it reads the environment)
import pytest  # noqa: E402

STARTS_WITHIN = 120  # seconds: a loaded machine with cold caches


def free_ports(n):
    """Ports that nobody listens on, none of those that the system gives to whoever asks for any."""

    def free(port):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) != 0

    return list(itertools.islice(filter(free, random.sample(range(20000, 32000), 1000)), n))


def wait_for(url, process, log):
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.exit(f"perennial up ended with {process.returncode}:\n{log.read_text()}", returncode=1)
        try:
            with urllib.request.urlopen(url + "/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.exit(f"perennial up didn't answer within {STARTS_WITHIN} s:\n{log.read_text()}", returncode=1)


@pytest.fixture(scope="session")
def uri(tmp_path_factory):
    given = os.environ.get("INTEROP_URI")
    if given:
        yield given.rstrip("/")
        return
    api, temporal, ui = free_ports(3)
    home, program = tmp_path_factory.mktemp("perennial"), os.environ["PERENNIAL_TEST_BINARY"]
    subprocess.run([program, "init", home / "project"], check=True, stdout=subprocess.DEVNULL)
    url, log = f"http://127.0.0.1:{api}", home / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [program, "up", "--no-bootstrap", "--project", home / "project", "--home", home / "state",
             "--listen", f"127.0.0.1:{api}", "--temporal-port", str(temporal), "--ui-port", str(ui)],
            stdout=out, stderr=subprocess.STDOUT, env=os.environ | {"PERENNIAL_REQUEST_TIMEOUT": "1m"},
        )
    try:
        wait_for(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session", autouse=True)
def tracking(uri):
    mlflow.set_tracking_uri(uri)


@pytest.fixture(scope="session")
def client(uri):
    return mlflow.MlflowClient(uri)


@pytest.fixture
def name(request):
    """A name that nobody has yet."""
    return f"{request.node.name[5:45].replace('[', '-').replace(']', '')}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def experiment(client, name):
    return client.create_experiment(name)


@pytest.fixture
def run(client, experiment):
    return client.create_run(experiment).info.run_id

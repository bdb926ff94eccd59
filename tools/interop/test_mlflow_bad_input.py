"""What no client of MLflow's sends: the answer is the caller's fault, never the server's."""

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest


def send(uri, method, path, body=None, content_type="application/json"):
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    request = urllib.request.Request(uri + path, body, {"Content-Type": content_type} if body is not None else {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def rpc(uri, method, path, body=None):
    return send(uri, method, "/api/2.0/mlflow/" + path, body)


def test_health_and_version(uri):
    assert send(uri, "GET", "/health") == (200, b"OK")
    status, version = send(uri, "GET", "/version")
    assert status == 200 and version.split(b".")[0].isdigit()


FILES = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    ["../x", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "a/%2e%2e/%2e%2e/x", "%252e%252e/x", "/etc/passwd", "%2fetc%2fpasswd", "a%5c..%5cx", "..%5cx", "a%00b"],
)
def test_paths_stay_below_the_root(uri, method, path):
    status, body = send(uri, method, f"{FILES}/{path}", b"x" if method == "PUT" else None, "application/octet-stream")
    assert status in (400, 404), body


@pytest.mark.parametrize("path", ["..", "../..", "a/../..", "..\\x", "/etc"])
def test_lists_stay_below_the_root(uri, run, path):
    quoted = urllib.parse.quote(path)
    for list_ in (f"{FILES}?path={quoted}", f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={quoted}"):
        status, body = send(uri, "GET", list_)
        assert status in (400, 404), body


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "runs/create", {"experiment_id": "no number"}),
        ("POST", "runs/create", {"experiment_id": "0", "start_time": "soon"}),
        ("POST", "runs/create", {"experiment_id": ["0"]}),
        ("POST", "runs/create", b"{"),
        ("POST", "runs/create", b"[]"),
        ("POST", "runs/log-metric", {"run_id": "RUN", "key": "m", "value": "many", "timestamp": 1}),
        ("POST", "runs/log-metric", {"run_id": "RUN", "key": "../m", "value": 1, "timestamp": 1}),
        ("POST", "runs/log-metric", {"run_id": "RUN", "key": "m;", "value": 1, "timestamp": 1}),
        ("POST", "runs/log-metric", {"run_id": "RUN", "key": "m" * 251, "value": 1, "timestamp": 1}),
        ("POST", "runs/log-metric", {"run_id": "RUN", "value": 1, "timestamp": 1}),
        ("POST", "runs/log-batch", {"run_id": "RUN", "metrics": [{"key": f"m{i}", "value": 1, "timestamp": 1} for i in range(1001)]}),
        ("POST", "runs/log-batch", {"run_id": "RUN", "params": [{"key": f"p{i}", "value": "1"} for i in range(101)]}),
        ("POST", "runs/log-batch", {"run_id": "RUN", "params": [{"key": "p", "value": "1"}, {"key": "p", "value": "2"}]}),
        ("POST", "runs/search", {"experiment_ids": ["0"], "page_token": "none of yours"}),
        ("POST", "runs/search", {"experiment_ids": ["0"], "max_results": 1_000_000}),
        ("POST", "runs/search", {"experiment_ids": ["0"], "order_by": ["sideways DOWN"]}),
        ("POST", "experiments/create", {"name": ""}),
        ("POST", "experiments/create", {"name": "x" * 501}),
        ("GET", "experiments/get", None),
        ("POST", "logged-models", {"experiment_id": "0", "name": "a/b"}),
        ("POST", "registered-models/create", {"name": "a/b"}),
        ("POST", "registered-models/create", {}),
        ("GET", "registered-models/search?max_results=100000", None),
        ("GET", "registered-models/search?filter=name%20%3D", None),
        ("GET", "model-versions/search?page_token=x", None),
        ("GET", "model-versions/get?name=x&version=one", None),
    ],
)
def test_refused(uri, run, method, path, body):
    if isinstance(body, dict):
        body = json.loads(json.dumps(body).replace('"RUN"', f'"{run}"'))
    status, answer = rpc(uri, method, path, body)
    assert status in (400, 404, 413), answer
    assert json.loads(answer)["error_code"] in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST"), answer


def test_long_values_are_cut(uri, run, client):
    assert rpc(uri, "POST", "runs/log-parameter", {"run_id": run, "key": "p", "value": "x" * 7000})[0] == 200
    assert rpc(uri, "POST", "runs/set-tag", {"run_id": run, "key": "t", "value": "x" * 9000})[0] == 200
    data = client.get_run(run).data
    assert (len(data.params["p"]), len(data.tags["t"])) == (6000, 8000)


def test_unknown_endpoint(uri):
    status, body = rpc(uri, "POST", "none/such", {})
    assert status == 404, body

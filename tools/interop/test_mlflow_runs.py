"""Experiments, runs and searches with MLflow's own client."""

import math
import time

import mlflow
import pytest
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

T0 = 1_700_000_000_000


def refused(code, call, *args, **kwargs):
    with pytest.raises(MlflowException) as caught:
        call(*args, **kwargs)
    assert caught.value.error_code == code, caught.value
    return str(caught.value)


# ---- experiments


def test_default_experiment(client):
    default = client.get_experiment("0")
    assert (default.name, default.lifecycle_stage) == ("Default", "active")


def test_experiment_is_what_was_created(client, name):
    before = int(time.time() * 1000) - 60_000
    made = client.create_experiment(name, tags={"team": "ml", "dotted.key": "1"})
    e = client.get_experiment(made)
    assert (e.name, e.lifecycle_stage, dict(e.tags)) == (name, "active", {"team": "ml", "dotted.key": "1"})
    assert e.artifact_location and before < e.creation_time <= e.last_update_time
    assert client.get_experiment_by_name(name).experiment_id == made
    assert client.get_experiment_by_name(name + "-none") is None


def test_experiment_names_are_unique(client, name):
    client.create_experiment(name)
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, name)
    assert mlflow.set_experiment(name).experiment_id == mlflow.set_experiment(name).experiment_id


def test_experiment_rename_and_tags(client, experiment, name):
    client.rename_experiment(experiment, name + "-new")
    assert client.get_experiment_by_name(name + "-new").experiment_id == experiment
    client.set_experiment_tag(experiment, "a", "1")
    client.set_experiment_tag(experiment, "a", "2")
    client.set_experiment_tag(experiment, "b", "x")
    client.delete_experiment_tag(experiment, "b")
    assert dict(client.get_experiment(experiment).tags) == {"a": "2"}


def test_experiment_delete_and_restore(client, experiment, name):
    kept = client.create_run(experiment).info.run_id
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    found = lambda view: len(client.search_experiments(view, filter_string=f"name = '{name}'"))  # noqa: E731
    assert [found(v) for v in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL)] == [0, 1, 1]
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, name)
    refused("INVALID_PARAMETER_VALUE", client.create_run, experiment)
    client.restore_experiment(experiment)
    assert found(ViewType.ACTIVE_ONLY) == 1 and client.get_run(kept).info.lifecycle_stage == "active"


def test_experiment_search(client, name):
    ids = {x: client.create_experiment(f"{name}-{x}", tags={"group": name, "x": x}) for x in "bac"}
    mine = f"name LIKE '{name}-%'"
    assert [e.name[-1] for e in client.search_experiments(filter_string=mine, order_by=["name ASC"])] == ["a", "b", "c"]
    assert [e.experiment_id for e in client.search_experiments(filter_string=f"tags.group = '{name}' AND tags.x = 'a'")] == [ids["a"]]
    page = client.search_experiments(filter_string=mine, order_by=["name DESC"], max_results=2)
    assert [e.name[-1] for e in page] == ["c", "b"] and page.token
    rest = client.search_experiments(filter_string=mine, order_by=["name DESC"], max_results=2, page_token=page.token)
    assert [e.name[-1] for e in rest] == ["a"] and not rest.token


# ---- runs


def test_run_is_what_was_created(client, experiment):
    made = client.create_run(experiment, start_time=T0, tags={"k": "v"}, run_name="first").info.run_id
    r = client.get_run(made)
    assert (r.info.experiment_id, r.info.status, r.info.start_time, r.info.end_time) == (experiment, "RUNNING", T0, None)
    assert (r.info.run_name, r.data.tags["mlflow.runName"], r.data.tags["k"]) == ("first", "first", "v")
    assert len(made) == 32 and made in r.info.artifact_uri
    unnamed = client.get_run(client.create_run(experiment).info.run_id)
    assert unnamed.info.run_name and unnamed.data.tags["mlflow.runName"] == unnamed.info.run_name


def test_run_lifecycle(client, name):
    mlflow.set_experiment(name)
    with mlflow.start_run(description="a note") as good:
        mlflow.log_param("p", 1)
    with pytest.raises(ZeroDivisionError), mlflow.start_run() as bad:
        1 / 0  # noqa: B018
    r = client.get_run(good.info.run_id)
    assert r.info.status == "FINISHED" and r.info.end_time >= r.info.start_time and r.data.tags["mlflow.note.content"] == "a note"
    assert client.get_run(bad.info.run_id).info.status == "FAILED"
    with mlflow.start_run(run_id=good.info.run_id):
        mlflow.log_metric("later", 1)
    assert client.get_run(good.info.run_id).data.metrics == {"later": 1.0}


def test_run_update(client, run):
    client.update_run(run, name="renamed")
    r = client.get_run(run)
    assert r.info.run_name == r.data.tags["mlflow.runName"] == "renamed"
    client.set_terminated(run, "KILLED", end_time=T0 + 5)
    r = client.get_run(run)
    assert (r.info.status, r.info.end_time) == ("KILLED", T0 + 5)
    client.update_run(run, status="RUNNING")
    assert client.get_run(run).info.status == "RUNNING"


def test_run_delete_and_restore(client, experiment, run):
    client.delete_run(run)
    count = lambda view: len(client.search_runs([experiment], run_view_type=view))  # noqa: E731
    assert [count(v) for v in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL)] == [0, 1, 1]
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    refused("INVALID_PARAMETER_VALUE", client.log_param, run, "p", 1)
    client.restore_run(run)
    assert count(ViewType.ACTIVE_ONLY) == 1


def test_nested_runs(client, name):
    mlflow.set_experiment(name)
    with mlflow.start_run() as parent:
        for i in range(3):
            with mlflow.start_run(nested=True) as child:
                mlflow.log_metric("i", i)
    children = mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'", output_format="list")
    assert len(children) == 3
    assert mlflow.get_parent_run(child.info.run_id).info.run_id == parent.info.run_id


def test_params_are_written_once(client, experiment, run):
    client.log_param(run, "rate", 0.01)
    client.log_param(run, "rate", 0.01)
    refused("INVALID_PARAMETER_VALUE", client.log_param, run, "rate", 0.02)
    refused("INVALID_PARAMETER_VALUE", client.log_batch, run, metrics=[Metric("m", 1, T0, 0)], params=[Param("rate", "0.5")])
    assert (client.get_run(run).data.params, client.get_run(run).data.metrics) == ({"rate": "0.01"}, {})
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_id=run):
        mlflow.log_params({f"p{i}": i for i in range(250)})
    assert len(client.get_run(run).data.params) == 251


def test_metrics_and_their_history(client, run):
    for step, value in enumerate([0.9, 0.5, 0.25]):
        client.log_metric(run, "loss", value, timestamp=T0 + step, step=step)
    client.log_metric(run, "loss", 7.0, timestamp=T0 + 9, step=1)
    for odd in (math.nan, math.inf, -math.inf):
        client.log_metric(run, "odd", odd, timestamp=T0, step=0 if math.isnan(odd) else int(odd > 0) + 1)
    assert client.get_run(run).data.metrics["loss"] == 0.25
    history = sorted((m.step, m.timestamp, m.value) for m in client.get_metric_history(run, "loss"))
    assert history == [(0, T0, 0.9), (1, T0 + 1, 0.5), (1, T0 + 9, 7.0), (2, T0 + 2, 0.25)]
    assert client.get_metric_history(run, "none") == []
    odd = {m.step: m.value for m in client.get_metric_history(run, "odd")}
    assert math.isnan(odd[0]) and odd[1] < -1e308 and odd[2] > 1e308


def test_batches(client, run):
    client.log_batch(
        run,
        metrics=[Metric(f"m{i}", i / 4, T0, 0) for i in range(1500)],
        params=[Param(f"p{i}", str(i)) for i in range(150)],
        tags=[RunTag(f"t{i}", "v") for i in range(10)],
    )
    data = client.get_run(run).data
    assert (len(data.metrics), len(data.params), sum(k[0] == "t" for k in data.tags)) == (1500, 150, 10)
    assert data.metrics["m7"] == 1.75


def test_tags(client, run):
    client.set_tag(run, "a", "1")
    client.set_tag(run, "a", "2")
    client.set_tag(run, "empty", "")
    client.delete_tag(run, "empty")
    tags = client.get_run(run).data.tags
    assert tags["a"] == "2" and "empty" not in tags
    refused("RESOURCE_DOES_NOT_EXIST", client.delete_tag, run, "empty")


def test_dataset_inputs(client, name):
    import pandas as pd

    data = mlflow.data.from_pandas(pd.DataFrame({"x": [1, 2], "y": [0, 1]}), name="churn", targets="y")
    mlflow.set_experiment(name)
    with mlflow.start_run() as r:
        mlflow.log_input(data, context="training", tags={"side": "a"})
    read = client.get_run(r.info.run_id).inputs.dataset_inputs
    assert [(d.dataset.name, d.dataset.digest) for d in read] == [("churn", data.digest)]
    assert {t.key: t.value for t in read[0].tags} == {"mlflow.data.context": "training", "side": "a"}
    found = lambda f: len(client.search_runs([r.info.experiment_id], f))  # noqa: E731
    assert [found("dataset.name = 'churn'"), found("dataset.context = 'test'"), found(f"dataset.digest = '{data.digest}'")] == [1, 0, 1]


# ---- searches


@pytest.fixture(scope="module")
def dozen(client):
    """Twelve runs: accuracy rises, two stages, three algorithms; number 5 failed."""
    e = client.create_experiment(f"dozen-{time.time_ns()}")
    ids = []
    for k in range(12):
        tags = {"fold": str(k % 3), "stage": "dev" if k < 6 else "prod"}
        r = client.create_run(e, start_time=T0 + k, tags=tags, run_name=f"run-{k:02d}").info.run_id
        params = [Param("depth", str(k % 4)), Param("algo", ["rf", "gb", "lr"][k % 3])]
        client.log_batch(r, metrics=[Metric("acc", k / 10, T0, 0), Metric("val loss", 10 - k, T0, 0)], params=params)
        client.set_terminated(r, "FAILED" if k == 5 else "FINISHED", end_time=T0 + 1000 + k)
        ids.append(r)
    return e, ids


@pytest.mark.parametrize(
    ("found_by", "want"),
    [
        ("metrics.acc > 0.85", {9, 10, 11}),
        ("metrics.acc >= 0.8 and params.algo = 'rf'", {9}),
        ("metric.acc != 0.5 AND metric.acc < 0.7", {0, 1, 2, 3, 4, 6}),
        ("params.algo != 'rf' and metrics.`val loss` <= 2", {8, 10, 11}),
        ('params."algo" LIKE "%b" AND tags.stage = "prod"', {7, 10}),
        ("tags.stage = 'dev' AND tags.fold != '0'", {1, 2, 4, 5}),
        ("tags.stage ILIKE 'PR_D' AND params.depth = '3'", {7, 11}),
        ("tags.none IS NULL AND metrics.acc < 0.15", {0, 1}),
        ("tags.fold IS NOT NULL AND metrics.acc > 1.0", {11}),
        ("tags.none != 'x'", set()),
        ("metrics.none != 1", set()),
        ("attributes.status = 'FAILED'", {5}),
        ("status != 'FINISHED'", {5}),
        ("run_name LIKE 'run-0%' and metrics.acc < 0.2", {0, 1}),
        ("attributes.start_time >= 1700000000010", {10, 11}),
        ("end_time < 1700000001002", {0, 1}),
    ],
)
def test_run_filters(client, dozen, found_by, want):
    assert {int(r.info.run_name[-2:]) for r in client.search_runs([dozen[0]], found_by)} == want


def test_run_filter_by_ids(client, dozen):
    e, ids = dozen
    assert {r.info.run_id for r in client.search_runs([e], f"run_id IN ('{ids[2]}', '{ids[4]}', 'none')")} == {ids[2], ids[4]}
    assert len(client.search_runs([e], f"run_id NOT IN ('{ids[2]}')")) == 11


@pytest.mark.parametrize(
    ("order", "want"),
    [
        ([], [11, 10]),
        (["metrics.acc DESC"], [11, 10]),
        (["metrics.acc ASC"], [0, 1]),
        (["params.algo ASC", "metrics.acc DESC"], [10, 7]),
        (["tags.stage DESC", "attributes.run_name ASC"], [6, 7]),
        (["metrics.`val loss`"], [11, 10]),
        (["start_time ASC"], [0, 1]),
        (["metrics.none DESC", "start_time ASC"], [0, 1]),
    ],
)
def test_run_order(client, dozen, order, want):
    assert [int(r.info.run_name[-2:]) for r in client.search_runs([dozen[0]], order_by=order, max_results=2)] == want


def test_run_pages(client, dozen):
    seen, token, pages = [], None, 0
    while pages == 0 or token:
        page = client.search_runs([dozen[0]], order_by=["metrics.acc ASC"], max_results=5, page_token=token)
        seen, token, pages = seen + [r.info.run_name for r in page], page.token, pages + 1
    assert (seen, pages) == ([f"run-{k:02d}" for k in range(12)], 3)


def test_run_table(dozen):
    table = mlflow.search_runs([dozen[0]], order_by=["metrics.acc ASC"])
    assert len(table) == 12 and table["metrics.acc"].iloc[3] == pytest.approx(0.3)
    assert {"run_id", "status", "params.algo", "tags.fold", "start_time", "artifact_uri"} <= set(table.columns)


@pytest.mark.parametrize(
    "bad",
    ["metrics.acc > 'x'", "metrics.acc >", "params.algo = 3", "a.b.c = 'x' OR b = 'y'", "(metrics.acc > 1)", "unknown = 'x'", "params.algo IN ('a')", "metrics.acc LIKE 'x'", "tags.x = 'open", ";"],
)
def test_bad_run_filters(client, experiment, bad):
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment], bad)


def test_missing_things(client):
    none = "0" * 32
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, none)
    refused("RESOURCE_DOES_NOT_EXIST", client.log_metric, none, "m", 1)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "123456789")


def test_autolog(client, name):
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    mlflow.set_experiment(name)
    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        x = np.random.RandomState(1).rand(40, 3)
        with mlflow.start_run() as r:
            RandomForestClassifier(n_estimators=5).fit(x, x[:, 0] > 0.5)
    finally:
        mlflow.sklearn.autolog(disable=True)
    r = client.get_run(r.info.run_id)
    assert r.data.params["n_estimators"] == "5" and "training_accuracy_score" in r.data.metrics and r.inputs.dataset_inputs

"""Artifacts, logged models and the registry with MLflow's own client."""

import os
import pathlib

import mlflow
import pytest
from test_mlflow_runs import refused


@pytest.fixture
def put(client, run, tmp_path):
    def put(path, content):
        folder, file = os.path.split(path)
        (tmp_path / file).write_bytes(content)
        client.log_artifact(run, str(tmp_path / file), folder or None)

    return put


def names(files):
    return sorted((f.path, f.is_dir) for f in files)


# ---- artifacts


def test_files(client, run, put, tmp_path):
    content = os.urandom(3_000_000)
    put("a.bin", content)
    put("sub/dir/a.bin", content[:100])
    put("sub/with space é.txt", b"x")
    put("sub/empty", b"")
    assert names(client.list_artifacts(run)) == [("a.bin", False), ("sub", True)]
    assert names(client.list_artifacts(run, "sub")) == [("sub/dir", True), ("sub/empty", False), ("sub/with space é.txt", False)]
    assert [f.file_size for f in client.list_artifacts(run, "sub/dir")] == [100]
    got = pathlib.Path(client.download_artifacts(run, "", str(tmp_path)))
    assert (got / "a.bin").read_bytes() == content
    assert (got / "sub/empty").read_bytes() == b"" and (got / "sub/with space é.txt").read_bytes() == b"x"
    put("a.bin", b"again")
    assert pathlib.Path(client.download_artifacts(run, "a.bin", str(tmp_path))).read_bytes() == b"again"


def test_a_directory(client, run, tmp_path):
    source, back = tmp_path / "tree", tmp_path / "back"
    back.mkdir()
    for file in ("1.txt", "x/2.txt", "x/y/3.txt"):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_text(file)
    client.log_artifacts(run, str(source), "tree")
    got = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path="tree", dst_path=str(back)))
    assert {str(p.relative_to(got)): p.read_text() for p in got.rglob("*") if p.is_file()} == {f: f for f in ("1.txt", "x/2.txt", "x/y/3.txt")}


def test_text_json_and_tables(name):
    mlflow.set_experiment(name)
    with mlflow.start_run() as r:
        mlflow.log_text("héllo ✓", "notes/n.txt")
        mlflow.log_dict({"a": [1, 2]}, "cfg/d.json")
        mlflow.log_table({"q": ["x", "y"]}, "t.json")
        mlflow.log_table({"q": ["z"]}, "t.json")
        note = mlflow.get_artifact_uri("notes/n.txt")
    assert mlflow.artifacts.load_text(note) == "héllo ✓"
    assert mlflow.artifacts.load_dict(f"runs:/{r.info.run_id}/cfg/d.json") == {"a": [1, 2]}
    assert list(mlflow.load_table("t.json", run_ids=[r.info.run_id])["q"]) == ["x", "y", "z"]


def test_no_files(client, run, tmp_path):
    assert client.list_artifacts(run) == [] and client.list_artifacts(run, "none") == []
    with pytest.raises(Exception):  # noqa: B017  (its kind is the client's affair)
        client.download_artifacts(run, "none.txt", str(tmp_path))


# ---- logged models


@pytest.fixture(scope="session")
def classifier():
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    x = np.random.RandomState(0).rand(60, 3)
    return LogisticRegression().fit(x, x.sum(1) > 1.5), x


def log(classifier, experiment_name, **more):
    model, x = classifier
    mlflow.set_experiment(experiment_name)
    with mlflow.start_run() as r:
        mlflow.log_param("C", 1.0)
        return r.info.run_id, mlflow.sklearn.log_model(model, name="clf", input_example=x[:2], pip_requirements=["scikit-learn"], **more)


@pytest.fixture(scope="session")
def logged(classifier):
    return log(classifier, f"logged-{os.urandom(4).hex()}")


def same(loaded, classifier):
    model, x = classifier
    return list(loaded.predict(x)) == list(model.predict(x))


def test_logged_model(client, logged):
    run, info = logged
    m = client.get_logged_model(info.model_id)
    assert (m.name, str(m.status), m.source_run_id, m.params) == ("clf", "READY", run, {"C": "1.0"})
    assert [o.model_id for o in client.get_run(run).outputs.model_outputs] == [info.model_id]
    assert "MLmodel" in [f.path for f in client.list_logged_model_artifacts(info.model_id)]
    assert mlflow.models.get_model_info(info.model_uri).signature is not None


def test_logged_model_loads(logged, classifier):
    run, info = logged
    assert same(mlflow.sklearn.load_model(f"models:/{info.model_id}"), classifier)
    assert same(mlflow.pyfunc.load_model(f"runs:/{run}/clf"), classifier)


def test_logged_model_tags_metrics_and_search(client, logged):
    run, info = logged
    client.set_logged_model_tags(info.model_id, {"grade": "gold", "gone": "1"})
    client.delete_logged_model_tag(info.model_id, "gone")
    client.log_metric(run, "auc", 0.91, model_id=info.model_id)
    m = client.get_logged_model(info.model_id)
    assert m.tags["grade"] == "gold" and "gone" not in m.tags
    assert [(x.key, x.value, x.run_id) for x in m.metrics] == [("auc", 0.91, run)]
    search = lambda f, **more: [x.model_id for x in client.search_logged_models([m.experiment_id], f, **more)]  # noqa: E731
    assert search("metrics.auc > 0.9 AND tags.grade = 'gold' AND params.C = '1.0'") == [info.model_id]
    assert search("metrics.auc > 0.95") == []
    assert search("name = 'clf'", order_by=[{"field_name": "metrics.auc", "ascending": False}]) == [info.model_id]
    refused("INVALID_PARAMETER_VALUE", client.search_logged_models, [m.experiment_id], "nothing = 'x'")


def test_external_model(client, experiment):
    m = client.create_logged_model(experiment, name="ext", model_type="agent", params={"a": "1"}, tags={"t": "x"})
    assert str(m.status) == "PENDING"
    client.finalize_logged_model(m.model_id, "READY")
    m = client.get_logged_model(m.model_id)
    assert (str(m.status), m.model_type, m.params, m.tags["t"]) == ("READY", "agent", {"a": "1"}, "x")
    client.delete_logged_model(m.model_id)
    assert len(client.search_logged_models([experiment])) == 0
    refused("RESOURCE_DOES_NOT_EXIST", client.get_logged_model, m.model_id)


# ---- registry


def test_registered_model(client, name):
    m = client.create_registered_model(name, tags={"k": "v"}, description="d1")
    assert (m.name, m.description) == (name, "d1") and m.creation_timestamp > 0
    refused("RESOURCE_ALREADY_EXISTS", client.create_registered_model, name)
    client.update_registered_model(name, description="d2")
    client.set_registered_model_tag(name, "owner", "me")
    client.delete_registered_model_tag(name, "k")
    m = client.get_registered_model(name)
    assert (m.description, m.tags) == ("d2", {"owner": "me"})
    client.delete_registered_model(name)
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, name)


@pytest.fixture
def three(client, logged, name):
    """A registered model with three versions of the logged one."""
    run, info = logged
    client.create_registered_model(name)
    for k in range(3):
        client.create_model_version(name, info.model_uri, run, tags={"k": str(k)}, description=f"v{k + 1}", model_id=info.model_id)
    return name


def test_versions(client, three, logged):
    v = client.get_model_version(three, "2")
    assert (str(v.version), v.description, v.status, v.run_id, v.current_stage, v.tags) == ("2", "v2", "READY", logged[0], "None", {"k": "1"})
    client.update_model_version(three, "2", description="new")
    client.set_model_version_tag(three, "2", "ok", "yes")
    client.delete_model_version_tag(three, "2", "k")
    v = client.get_model_version(three, "2")
    assert (v.description, v.tags) == ("new", {"ok": "yes"})
    refused("RESOURCE_DOES_NOT_EXIST", client.get_model_version, three, "99")


def test_version_numbers_are_never_used_twice(client, three, logged):
    client.delete_model_version(three, "3")
    run, info = logged
    assert str(client.create_model_version(three, info.model_uri, run, model_id=info.model_id).version) == "4"
    assert [str(v.version) for v in client.search_model_versions(f"name = '{three}'")] == ["4", "2", "1"]


def test_rename(client, three, name):
    client.set_registered_model_alias(three, "mine", "2")
    client.rename_registered_model(three, name + "-new")
    assert str(client.get_model_version_by_alias(name + "-new", "mine").version) == "2"
    assert client.get_model_version(name + "-new", "1").name == name + "-new"
    refused("RESOURCE_DOES_NOT_EXIST", client.get_registered_model, three)


def test_aliases(client, three):
    client.set_registered_model_alias(three, "champion", "1")
    client.set_registered_model_alias(three, "champion", "2")
    client.set_registered_model_alias(three, "challenger", "3")
    assert {a: str(v) for a, v in client.get_registered_model(three).aliases.items()} == {"champion": "2", "challenger": "3"}
    assert (client.get_model_version(three, "2").aliases, client.get_model_version(three, "1").aliases) == (["champion"], [])
    client.delete_registered_model_alias(three, "challenger")
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, three, "challenger")
    for reserved in ("v1", "latest"):
        refused("INVALID_PARAMETER_VALUE", client.set_registered_model_alias, three, reserved, "1")
    refused("RESOURCE_DOES_NOT_EXIST", client.set_registered_model_alias, three, "x", "77")


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_stages(client, three):
    client.transition_model_version_stage(three, "1", "Staging")
    client.transition_model_version_stage(three, "2", "Production")
    client.transition_model_version_stage(three, "3", "production", archive_existing_versions=True)
    assert {(v.current_stage, str(v.version)) for v in client.get_latest_versions(three)} == {("Staging", "1"), ("Archived", "2"), ("Production", "3")}
    assert [str(v.version) for v in client.get_latest_versions(three, ["Production"])] == ["3"]
    refused("INVALID_PARAMETER_VALUE", client.transition_model_version_stage, three, "1", "Prod")


def test_registry_search(client, three, logged):
    assert [m.name for m in client.search_registered_models(f"name = '{three}'")] == [three]
    assert three in [m.name for m in client.search_registered_models(f"name ILIKE '{three[:-2].upper()}%'", order_by=["name ASC"])]
    versions = lambda f, **more: [str(v.version) for v in client.search_model_versions(f"name = '{three}'{f}", **more)]  # noqa: E731
    assert versions("") == ["3", "2", "1"]
    assert versions(" and tags.k = '2'") == ["3"]
    assert len(versions(f" and run_id = '{logged[0]}'")) == 3
    page = client.search_model_versions(f"name = '{three}'", max_results=2, order_by=["version_number ASC"])
    assert [str(v.version) for v in page] == ["1", "2"]
    assert versions("", max_results=2, order_by=["version_number ASC"], page_token=page.token) == ["3"]
    refused("INVALID_PARAMETER_VALUE", client.search_registered_models, "unknown = 'x'")


def test_download_by_version_and_alias(client, three, tmp_path):
    client.set_registered_model_alias(three, "champion", "2")
    assert "/models/m-" in client.get_model_version_download_uri(three, "1")
    for uri in (f"models:/{three}/1", f"models:/{three}@champion"):
        assert (pathlib.Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path))) / "MLmodel").is_file()


def test_log_and_register_in_one(client, classifier, name):
    for version in ("1", "2"):
        run, info = log(classifier, name, registered_model_name=name, serialization_format="cloudpickle")
        assert str(info.registered_model_version) == version
    client.set_registered_model_alias(name, "prod", "2")
    v = client.get_model_version(name, "2")
    assert v.run_id == run and info.model_id in v.source
    assert name in client.get_logged_model(info.model_id).tags["mlflow.modelVersions"]
    for uri in (f"models:/{name}@prod", f"models:/{name}/1", f"models:/{name}/latest"):
        assert same(mlflow.pyfunc.load_model(uri), classifier), uri


def test_register_what_a_run_logged(client, logged, name):
    run, info = logged
    v = mlflow.register_model(f"runs:/{run}/clf", name, tags={"from": "run"})
    assert (str(v.version), v.run_id, v.status) == ("1", run, "READY")
    assert str(mlflow.register_model(info.model_uri, name).version) == "2"
    client.delete_model_version(name, "1")
    assert [str(x.version) for x in client.search_model_versions(f"name = '{name}'")] == ["2"]


def test_a_version_of_whatever_a_run_may_hold(client, logged, name, run, tmp_path):
    client.create_registered_model(name)
    model = client.create_model_version(name, f"runs:/{logged[0]}/clf", run_id=logged[0]).version
    mlflow.artifacts.download_artifacts(f"models:/{name}/{model}", dst_path=str(tmp_path))
    assert list(tmp_path.rglob("MLmodel"))
    client.delete_run(run)
    for owner in (run, "f" * 32):  # deleted, never there: MLflow doesn't look
        v = client.create_model_version(name, f"runs:/{owner}/nope", run_id=owner)
        assert (v.status, v.run_id) == ("READY", owner)


def test_aliases_of_other_case_are_others(client, three):
    for alias, version in (("best", "1"), ("Best", "2"), ("Champion", "3")):  # no model that Perennial serves
        client.set_registered_model_alias(three, alias, version)
    client.delete_registered_model_alias(three, "Best")
    assert {a: str(v) for a, v in client.get_registered_model(three).aliases.items()} == {"best": "1", "Champion": "3"}
    refused("INVALID_PARAMETER_VALUE", client.get_model_version_by_alias, three, "Best")


def test_sources_stay_in_their_run(client, name, logged, run):
    client.create_registered_model(name)
    for source in ("mlflow-artifacts:/0/x", f"runs:/{logged[0]}/clf", logged[1].model_uri, "/etc/passwd", f"mlflow-artifacts:/../{run}"):
        refused("INVALID_PARAMETER_VALUE", client.create_model_version, name, source, run)

"""Looks with MLflow's own client at what a training of iris left on a server.

Usage: mlflow_look.py URI MODEL VERSION, where VERSION is in service.
"""

import json
import os
import sys
import tempfile

import mlflow

uri, model, version = sys.argv[1:]
mlflow.set_tracking_uri(uri)
client = mlflow.MlflowClient()

registered = client.get_model_version(model, version)
assert registered.status == "READY", registered
assert registered.source.startswith("models:/m-"), registered.source
assert json.loads(registered.tags["perennial.lineage"])["run_id"] == registered.run_id
assert client.get_model_version_by_alias(model, "champion").version == version

run = client.get_run(registered.run_id)
assert run.info.status == "FINISHED", run.info.status
for key in ("algorithm", "seed", "trial", "params_sha256"):
    assert key in run.data.params, key
for key in ("accuracy", "accuracy_low", "accuracy_high", "log_loss", "baseline_accuracy", "cpu_seconds"):
    assert key in run.data.metrics, key
assert run.data.tags["perennial.version"] == version

[data] = run.inputs.dataset_inputs
assert data.dataset.name == "data/raw/iris.csv", data.dataset.name
assert len(data.dataset.digest) == 32, data.dataset.digest
assert json.loads(data.dataset.profile)["num_rows"] == 150
columns = {c["name"]: c["type"] for c in json.loads(data.dataset.schema)["mlflow_colspec"]}
assert columns["petal_width"] == "double" and columns["species"] == "string", columns
assert {t.key: t.value for t in data.tags}["mlflow.data.context"] == "training"

trials = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
assert len(trials) >= 2, trials
assert all(t.info.status == "FINISHED" and "cv_log_loss" in t.data.metrics for t in trials)
[selected] = [t for t in trials if t.data.tags.get("perennial.selected") == "true"]
assert len(client.get_metric_history(selected.info.run_id, "fold_log_loss")) >= 2

listed = {f.path for f in client.list_artifacts(run.info.run_id)}
assert {"card.md", "card.html", "evaluation", "report.json"} <= listed, listed
pictures = {f.path for f in client.list_artifacts(run.info.run_id, "evaluation")}
assert "evaluation/confusion_matrix.png" in pictures, pictures

logged = client.get_logged_model(run.outputs.model_outputs[0].model_id)
assert logged.status == "READY" and logged.source_run_id == run.info.run_id, logged
with tempfile.TemporaryDirectory() as temp:
    for where in (
        f"models:/{model}@champion",
        f"models:/{model}/{version}",
        f"models:/{logged.model_id}",
        f"runs:/{run.info.run_id}/model",
    ):
        folder = mlflow.artifacts.download_artifacts(where, dst_path=tempfile.mkdtemp(dir=temp))
        assert {"MLmodel", "model.perennial", "input_example.json"} <= set(os.listdir(folder)), (where, os.listdir(folder))
        assert os.path.getsize(os.path.join(folder, "model.perennial")) > 1000, where
    card = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="card.md", dst_path=temp)
    with open(card, encoding="utf-8") as f:
        assert "Model card" in f.read()

info = mlflow.models.get_model_info(f"models:/{model}@champion")
assert info.flavors["perennial"]["model_file"] == "model.perennial", info.flavors
assert info.signature.inputs.input_names() == [c for c in columns if c != "species"], info.signature
assert info.signature.outputs.input_names() == ["species"], info.signature
assert info.run_id == run.info.run_id

print("all as it should be")

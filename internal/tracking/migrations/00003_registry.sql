-- +goose Up
-- Files are kept by the root of the run or logged model that they belong to,
-- as 1/<run id>/artifacts; what lies outside any root has the root ''.
CREATE TABLE artifact_files (
    root     TEXT NOT NULL,
    path     TEXT NOT NULL, -- below the root
    blob     TEXT NOT NULL, -- key in the blob store
    size     BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    PRIMARY KEY (root, path)
);

-- 19: after mlflow-artifacts:/
INSERT INTO artifact_files (root, path, blob, size, modified)
SELECT substr(runs.artifact_uri, 19), artifacts.path, artifacts.blob, artifacts.size, runs.start_time
FROM artifacts JOIN runs ON runs.run_id = artifacts.run_id;

DROP TABLE artifacts;

CREATE TABLE logged_models (
    model_id          TEXT PRIMARY KEY, -- m- and 32 hexadecimal digits
    experiment_id     TEXT NOT NULL REFERENCES experiments (experiment_id),
    name              TEXT NOT NULL,
    artifact_uri      TEXT NOT NULL,
    model_type        TEXT NOT NULL,
    source_run_id     TEXT NOT NULL, -- '' where no run made it
    status            TEXT NOT NULL,
    lifecycle_stage   TEXT NOT NULL,
    creation_time     BIGINT NOT NULL,
    last_updated_time BIGINT NOT NULL
);
CREATE INDEX logged_models_newest ON logged_models (experiment_id, lifecycle_stage, creation_time DESC, model_id);
CREATE INDEX logged_models_name ON logged_models (experiment_id, name);

CREATE TABLE logged_model_params (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
);

CREATE TABLE logged_model_tags (
    model_id TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (model_id, key)
);

-- The points of runs' metrics that were logged for a model.
CREATE TABLE logged_model_metrics (
    model_id       TEXT NOT NULL REFERENCES logged_models (model_id) ON DELETE CASCADE,
    key            TEXT NOT NULL,
    timestamp      BIGINT NOT NULL,
    step           BIGINT NOT NULL,
    run_id         TEXT NOT NULL,
    value          DOUBLE PRECISION NOT NULL,
    is_nan         BOOLEAN NOT NULL,
    dataset_name   TEXT NOT NULL, -- '' where it was measured on none that is named
    dataset_digest TEXT NOT NULL,
    PRIMARY KEY (model_id, key, timestamp, step, run_id)
);
CREATE INDEX logged_model_metrics_value ON logged_model_metrics (key, value, model_id);

ALTER TABLE model_versions ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE model_versions ADD COLUMN run_link TEXT NOT NULL DEFAULT '';
ALTER TABLE model_versions ADD COLUMN current_stage TEXT NOT NULL DEFAULT 'None';
-- The source as it was resolved at creation, '' where it needed none; the logged model it is.
ALTER TABLE model_versions ADD COLUMN storage_location TEXT NOT NULL DEFAULT '';
ALTER TABLE model_versions ADD COLUMN model_id TEXT NOT NULL DEFAULT '';

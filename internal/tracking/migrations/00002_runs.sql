-- +goose Up
-- The experiment of the run: a search reads one experiment's runs in the order of a
-- metric from the index alone.
ALTER TABLE latest_metrics ADD COLUMN experiment_id TEXT NOT NULL DEFAULT '';
UPDATE latest_metrics SET experiment_id = (SELECT runs.experiment_id FROM runs WHERE runs.run_id = latest_metrics.run_id);
DROP INDEX latest_metrics_value;
CREATE INDEX latest_metrics_order ON latest_metrics (experiment_id, key, is_nan, value, run_id);

-- The value's beginning only, as for tags.
CREATE INDEX params_value ON params (key, substr(value, 1, 100), run_id);

CREATE TABLE input_datasets (
    experiment_id TEXT NOT NULL REFERENCES experiments (experiment_id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    digest        TEXT NOT NULL,
    source_type   TEXT NOT NULL,
    source        TEXT NOT NULL,
    schema        TEXT NOT NULL,
    profile       TEXT NOT NULL,
    PRIMARY KEY (experiment_id, name, digest)
);

INSERT INTO input_datasets (experiment_id, name, digest, source_type, source, schema, profile)
SELECT runs.experiment_id, inputs.name, inputs.digest, 'local', '{"uri":"' || inputs.name || '"}', '', MIN(inputs.data)
FROM inputs JOIN runs ON runs.run_id = inputs.run_id
GROUP BY runs.experiment_id, inputs.name, inputs.digest;

-- JSON of the tags that a use of a data set has besides its context.
ALTER TABLE inputs ADD COLUMN tags TEXT NOT NULL DEFAULT '';
CREATE INDEX inputs_name ON inputs (name, run_id);
CREATE INDEX inputs_digest ON inputs (digest, run_id);

CREATE TABLE model_inputs (
    run_id   TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    model_id TEXT NOT NULL,
    PRIMARY KEY (run_id, model_id)
);

CREATE TABLE model_outputs (
    run_id   TEXT NOT NULL REFERENCES runs (run_id) ON DELETE CASCADE,
    model_id TEXT NOT NULL,
    step     BIGINT NOT NULL,
    PRIMARY KEY (run_id, model_id)
);

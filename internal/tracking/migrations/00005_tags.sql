-- +goose Up
-- What stood in columns of our own stands in tags now, so that it is read the same
-- way from any MLflow server.
INSERT INTO model_version_tags (name, version, key, value)
SELECT name, version, 'perennial.lineage', lineage FROM model_versions WHERE lineage <> '' AND lineage <> '{}';

INSERT INTO model_version_tags (name, version, key, value)
SELECT name, version, 'perennial.op', op FROM model_versions WHERE op IS NOT NULL AND op <> '';

UPDATE inputs SET tags = '[{"key":"perennial.data","value":"' || REPLACE(REPLACE(data, '\', '\\'), '"', '\"') || '"}]' WHERE tags = '' AND data <> '';

-- The experiments that hold runs of ours.
INSERT INTO experiment_tags (experiment_id, key, value)
SELECT experiment_id, 'perennial.pipeline', name FROM experiments
WHERE experiment_id IN (SELECT runs.experiment_id FROM runs JOIN tags ON tags.run_id = runs.run_id WHERE tags.key = 'perennial.kind')
  AND experiment_id NOT IN (SELECT experiment_id FROM experiment_tags WHERE key = 'perennial.pipeline');

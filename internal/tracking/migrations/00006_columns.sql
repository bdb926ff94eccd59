-- +goose Up
-- Every upload asks for the versions that were made of a run or of a logged model.
CREATE INDEX model_versions_model ON model_versions (model_id);

-- They stand in tags since 00005.
ALTER TABLE model_versions DROP COLUMN lineage;
ALTER TABLE inputs DROP COLUMN data;

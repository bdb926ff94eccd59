-- +goose Up
-- How the rollout ended that a change ended; '' for every other change. Of the
-- changes from before this column only a promotion can be told for certain.
ALTER TABLE traffic ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
ALTER TABLE traffic_history ADD COLUMN outcome TEXT NOT NULL DEFAULT '';
UPDATE traffic SET outcome = 'promoted' WHERE mode = 'serving' AND previous <> '';

-- +goose Down
ALTER TABLE traffic DROP COLUMN outcome;
ALTER TABLE traffic_history DROP COLUMN outcome;

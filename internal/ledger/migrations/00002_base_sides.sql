-- +goose Up
-- By which seed and test share later rows join a side table: those of the first
-- split, whatever the pipeline file says by then. 0 where it was made before.

ALTER TABLE base_sides ADD COLUMN seed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE base_sides ADD COLUMN test DOUBLE PRECISION NOT NULL DEFAULT 0;

-- +goose Up
-- How many folds a trial was scored on: a late writer must not take any away.
-- Trials from before are completed or failed, and keep what they have.

ALTER TABLE trials ADD COLUMN folds BIGINT NOT NULL DEFAULT 0;

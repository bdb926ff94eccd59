-- +goose Up
-- What a trial cost: processor time and the process' highest memory. Trials from
-- before this was measured have 0.
ALTER TABLE trials ADD COLUMN cpu_seconds DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN peak_memory_bytes BIGINT NOT NULL DEFAULT 0;

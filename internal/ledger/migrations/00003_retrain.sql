-- +goose Up
-- Which trainings were allowed to begin, and on what. One row per run of Train.
CREATE TABLE attempts (
    workflow_run_id TEXT PRIMARY KEY, -- Temporal's, of Train
    pipeline        TEXT NOT NULL,
    triggered_by    TEXT NOT NULL,
    data_md5        TEXT NOT NULL,
    sides           TEXT NOT NULL, -- sha256 of the side table, '' before there is one
    params_sha256   TEXT NOT NULL,
    outcome         TEXT NOT NULL, -- '' until it has ended well
    version         TEXT NOT NULL,
    claimed_at      BIGINT NOT NULL,
    ended_at        BIGINT NOT NULL -- 0 while it runs
);
CREATE INDEX attempts_pipeline ON attempts (pipeline, claimed_at DESC);

-- Requests that may be sent again: the key, a hash of the request, what it led to.
CREATE TABLE idempotency_keys (
    idempotency_key TEXT PRIMARY KEY,
    body_sha256     TEXT NOT NULL,
    workflow_id     TEXT NOT NULL,
    run_id          TEXT NOT NULL, -- '' until the workflow was started
    created_at      BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- The schedules as they should be: last taken from the file, or set by an operator since.
CREATE TABLE schedules (
    pipeline   TEXT PRIMARY KEY,
    revision   TEXT NOT NULL, -- of the pipeline file that was last applied; '' once the pipeline vanished
    source     TEXT NOT NULL, -- file | operator
    cron       TEXT NOT NULL, -- '' where there is none, or where it was set with Temporal's tools
    timezone   TEXT NOT NULL,
    jitter     BIGINT NOT NULL, -- ms
    paused     BOOLEAN NOT NULL,
    removed    BOOLEAN NOT NULL,
    spec       TEXT NOT NULL, -- JSON of Temporal's spec as it was last seen
    actor      TEXT NOT NULL,
    reason     TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

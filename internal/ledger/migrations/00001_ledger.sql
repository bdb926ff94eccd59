-- +goose Up
-- What Perennial did and decided. Times are milliseconds since 1970.

CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY,
    kind        TEXT NOT NULL,
    model       TEXT NOT NULL,
    version     TEXT NOT NULL,
    run_id      TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    at          BIGINT NOT NULL,
    record      TEXT NOT NULL -- JSON of perennial.Decision, the whole truth; the columns are for searching
);
CREATE INDEX decisions_model ON decisions (model, at DESC);

-- A score that is not finite is NULL.
CREATE TABLE trials (
    study_id  TEXT NOT NULL,
    idx       BIGINT NOT NULL,
    candidate BIGINT NOT NULL,
    algorithm TEXT NOT NULL,
    params    TEXT NOT NULL, -- JSON
    score     DOUBLE PRECISION,
    scores    TEXT NOT NULL, -- JSON, one number or null per fold
    millis    BIGINT NOT NULL,
    state     TEXT NOT NULL,
    error     TEXT NOT NULL,
    PRIMARY KEY (study_id, idx)
);

CREATE TABLE workflows (
    workflow_id TEXT NOT NULL,
    run_id      TEXT NOT NULL, -- Temporal's
    type        TEXT NOT NULL,
    pipeline    TEXT NOT NULL,
    state       TEXT NOT NULL,
    started_by  TEXT NOT NULL,
    reason      TEXT NOT NULL,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL, -- 0 while it runs
    status      TEXT NOT NULL,   -- JSON, '' where there is none yet
    PRIMARY KEY (workflow_id, run_id)
);
CREATE INDEX workflows_pipeline ON workflows (pipeline, started_at DESC);
CREATE INDEX workflows_newest ON workflows (started_at DESC);

CREATE TABLE base_sides (
    pipeline TEXT PRIMARY KEY,
    base_md5 TEXT NOT NULL,
    sides    TEXT NOT NULL -- key of the side table in the blob store
);

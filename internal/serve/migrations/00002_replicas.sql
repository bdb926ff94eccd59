-- +goose Up
-- What each serving process has loaded: a row a version, and one with neither
-- model nor version that says that the process lives. seen_at is the database's
-- clock.
CREATE TABLE replicas (
    replica TEXT   NOT NULL,
    model   TEXT   NOT NULL,
    version TEXT   NOT NULL,
    state   TEXT   NOT NULL,
    error   TEXT   NOT NULL,
    epoch   BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (replica, model, version)
);

-- Until when nothing is retrained or promoted; model '' is all of them.
CREATE TABLE freezes (
    model   TEXT   NOT NULL PRIMARY KEY,
    until   BIGINT NOT NULL,
    reason  TEXT   NOT NULL,
    actor   TEXT   NOT NULL,
    made_at BIGINT NOT NULL
);

-- Model files that a rollout rejected.
CREATE TABLE rejected_files (
    model        TEXT   NOT NULL,
    model_sha256 TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    decision_id  TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    rejected_at  BIGINT NOT NULL,
    PRIMARY KEY (model, model_sha256)
);

-- +goose Down
DROP TABLE rejected_files;
DROP TABLE freezes;
DROP TABLE replicas;

-- +goose Up
CREATE TABLE pipelines (
    name       TEXT    NOT NULL PRIMARY KEY,
    revision   TEXT    NOT NULL,
    spec       TEXT    NOT NULL, -- the canonical JSON that revision is the sha256 of
    source     TEXT    NOT NULL, -- the file as written
    applied_at BIGINT  NOT NULL, -- ms
    deleted    BOOLEAN NOT NULL
);

CREATE TABLE pipeline_revisions (
    name       TEXT   NOT NULL,
    revision   TEXT   NOT NULL,
    spec       TEXT   NOT NULL,
    applied_at BIGINT NOT NULL, -- ms, the first time
    PRIMARY KEY (name, revision)
);

-- +goose Down
DROP TABLE pipeline_revisions;
DROP TABLE pipelines;

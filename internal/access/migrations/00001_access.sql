-- +goose Up
-- Who may do what, and who did what. Times are milliseconds since 1970, 0 for never.

CREATE TABLE tokens (
    token_id     TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL,
    sha256       TEXT NOT NULL UNIQUE, -- of the whole token; the token itself is stored nowhere
    created_at   BIGINT NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    revoked_at   BIGINT NOT NULL
);
-- A name in the audit means one holder at a time.
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked_at = 0;

-- Rows are added and never changed.
CREATE TABLE audit (
    seq         BIGINT PRIMARY KEY, -- 1, 2, 3 … without a gap
    at          BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    target      TEXT NOT NULL,
    before      TEXT NOT NULL, -- JSON, '' for nothing
    after       TEXT NOT NULL, -- JSON, '' for nothing
    reason      TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    previous    TEXT NOT NULL, -- hash of the row before
    hash        TEXT NOT NULL
);

-- The newest row again: a chain alone doesn't show that its end was cut off.
-- Writers take this row first, so that they follow one another.
CREATE TABLE audit_head (
    id   BIGINT PRIMARY KEY, -- always 1
    seq  BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');

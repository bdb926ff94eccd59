-- +goose Up
-- What somebody asked a running workflow to do, written down before it is asked:
-- with authentication on it does nothing else.

CREATE TABLE orders (
    op_id       TEXT PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    action      TEXT NOT NULL, -- name of the update
    actor       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    taken_by    TEXT NOT NULL -- the workflow's step that took it, '' for none yet
);
CREATE INDEX orders_created ON orders (created_at);

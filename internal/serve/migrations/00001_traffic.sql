-- +goose Up
-- Every state that a model's traffic has had. A row names the one before it, so
-- that no row but the newest can be deleted, and traffic names the newest.
CREATE TABLE traffic_history (
    model        TEXT    NOT NULL,
    epoch        BIGINT  NOT NULL,
    epoch_before BIGINT,
    mode         TEXT    NOT NULL,
    champion     TEXT    NOT NULL,
    previous     TEXT    NOT NULL,
    challenger   TEXT    NOT NULL,
    weight_bp    BIGINT  NOT NULL CHECK (weight_bp BETWEEN 0 AND 10000),
    salt         TEXT    NOT NULL,
    op_id        TEXT    NOT NULL,
    rollout_id   TEXT    NOT NULL,
    paused       BOOLEAN NOT NULL,
    lease_seq    BIGINT  NOT NULL,
    decision_id  TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    changed_at   BIGINT  NOT NULL,
    PRIMARY KEY (model, epoch),
    UNIQUE (model, op_id),
    FOREIGN KEY (model, epoch_before) REFERENCES traffic_history (model, epoch)
);

-- The one truth about who answers: one row a model, changed by compare-and-swap
-- on epoch only.
CREATE TABLE traffic (
    model       TEXT    NOT NULL PRIMARY KEY,
    epoch       BIGINT  NOT NULL,
    mode        TEXT    NOT NULL,
    champion    TEXT    NOT NULL,
    previous    TEXT    NOT NULL,
    challenger  TEXT    NOT NULL,
    weight_bp   BIGINT  NOT NULL CHECK (weight_bp BETWEEN 0 AND 10000),
    salt        TEXT    NOT NULL,
    op_id       TEXT    NOT NULL,
    rollout_id  TEXT    NOT NULL,
    paused      BOOLEAN NOT NULL,
    lease_seq   BIGINT  NOT NULL,
    decision_id TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    actor       TEXT    NOT NULL,
    changed_at  BIGINT  NOT NULL,
    FOREIGN KEY (model, epoch) REFERENCES traffic_history (model, epoch)
);

-- +goose Down
DROP TABLE traffic;
DROP TABLE traffic_history;

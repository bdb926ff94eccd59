-- +goose Up
-- What is known of the registry's aliases that follow a model's traffic. An alias
-- at seen or at wanted was put there by Perennial; anywhere else somebody else
-- moved it. '' is no version. One process at a time is at work on a move, until
-- busy_until (ms). The asked_ columns keep the last move by somebody else that
-- could not be carried out, and at which epoch of the traffic row.
CREATE TABLE traffic_aliases (
    model        TEXT   NOT NULL,
    alias        TEXT   NOT NULL,
    seen         TEXT   NOT NULL,
    wanted       TEXT   NOT NULL,
    busy_until   BIGINT NOT NULL,
    asked        TEXT   NOT NULL,
    asked_by     TEXT   NOT NULL,
    asked_reason TEXT   NOT NULL,
    asked_at     BIGINT NOT NULL,
    asked_epoch  BIGINT NOT NULL,
    PRIMARY KEY (model, alias)
);

-- +goose Down
DROP TABLE traffic_aliases;

-- +goose Up
-- One row per answered or failed attempt at a prediction. at is in microseconds
-- since 1970; seq grows in the order in which a replica logged; features,
-- redacted and probabilities are JSON, '' where there are none; value is NULL
-- for a classification.
CREATE TABLE predictions (
    id            TEXT   NOT NULL,
    attempt       BIGINT NOT NULL,
    seq           BIGINT NOT NULL,
    replica       TEXT   NOT NULL,
    at            BIGINT NOT NULL,
    model         TEXT   NOT NULL,
    version       TEXT   NOT NULL,
    variant       TEXT   NOT NULL,
    epoch         BIGINT NOT NULL,
    bucket        BIGINT NOT NULL,
    unit_id       TEXT   NOT NULL,
    key           TEXT   NOT NULL,
    kind          TEXT   NOT NULL,
    status        TEXT   NOT NULL,
    latency_ns    BIGINT NOT NULL,
    features      TEXT   NOT NULL,
    redacted      TEXT   NOT NULL,
    answer        TEXT   NOT NULL,
    value         DOUBLE PRECISION,
    probabilities TEXT   NOT NULL,
    decision_id   TEXT   NOT NULL,
    PRIMARY KEY (id, attempt)
);

CREATE INDEX predictions_model_at ON predictions (model, at);
CREATE INDEX predictions_model_key ON predictions (model, key, at);

-- +goose Down
DROP TABLE predictions;

-- +goose Up
CREATE INDEX predictions_model_epoch ON predictions (model, epoch);

-- +goose Down
DROP INDEX predictions_model_epoch;

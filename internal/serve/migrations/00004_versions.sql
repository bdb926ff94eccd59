-- +goose Up
-- What is known of registered versions, so that serving needs no tracking server:
-- JSON of perennial.ModelVersion, of which only what never changes counts.
CREATE TABLE known_versions (
    model   TEXT NOT NULL,
    version TEXT NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (model, version)
);

-- +goose Down
DROP TABLE known_versions;

-- +goose Up
CREATE TABLE datasets (
    path          TEXT   NOT NULL PRIMARY KEY,
    md5           TEXT   NOT NULL,
    size          BIGINT NOT NULL,
    registered_at BIGINT NOT NULL
);

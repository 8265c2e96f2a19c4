-- +goose Up

-- How far each program that follows the outbox has come, by its own account: the seq it has dealt with last.
CREATE TABLE cursors (
    name TEXT   NOT NULL PRIMARY KEY,
    seq  BIGINT NOT NULL
);

-- +goose Down
DROP TABLE cursors;

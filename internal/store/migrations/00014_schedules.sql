-- +goose Up

-- Until when the due times of a schedule have been seen to. A schedule that is written otherwise begins anew: what it would
-- have been due at before was never asked for.
CREATE TABLE schedules (
    name       TEXT   NOT NULL PRIMARY KEY,
    definition TEXT   NOT NULL,
    seen_at    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE schedules;

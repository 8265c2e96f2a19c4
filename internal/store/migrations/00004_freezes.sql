-- +goose Up

-- What people have frozen. A row stays after its end: who stopped everybody, and why, is asked later.
CREATE TABLE freezes (
    id        TEXT   NOT NULL PRIMARY KEY,
    declared  TEXT   NOT NULL,
    starts_at BIGINT NOT NULL,
    -- Without an end it lasts until it is lifted.
    ends_at   BIGINT,
    lifted_at BIGINT,
    lifted_by TEXT
);
CREATE INDEX freezes_not_lifted ON freezes (starts_at) WHERE lifted_at IS NULL;

-- +goose Down
DROP TABLE freezes;

-- +goose Up

-- The branch or tag whose commit is released, by its full name; empty for what was released before it was kept.
ALTER TABLE releases ADD COLUMN ref TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE releases DROP COLUMN ref;

-- +goose Up

-- Other rules are tried on the decisions of all releases since a time, a page at a time.
CREATE INDEX decisions_by_time ON decisions (asked_at, id);

-- +goose Down
DROP INDEX decisions_by_time;

-- Who hears that a commit was built elsewhere looks for its releases.

-- +goose Up

CREATE INDEX releases_commit ON releases (commit_id);

-- +goose Down
DROP INDEX releases_commit;

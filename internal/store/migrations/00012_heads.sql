-- +goose Up

-- What releases to environments other than pushes, by environment, as the last valid manifest said.
ALTER TABLE applications ADD COLUMN triggers TEXT NOT NULL DEFAULT '{}';

-- What was seen last of each ref of an application, however it was told.
CREATE TABLE heads (
    tenant      TEXT     NOT NULL,
    application TEXT     NOT NULL,
    ref         TEXT     NOT NULL,
    -- Zeros for a ref that was deleted.
    commit_id   TEXT     NOT NULL,
    -- The event that told it; 0 for what was there when the application was first looked at.
    event       BIGINT   NOT NULL,
    -- Whether that asked for a release.
    released    SMALLINT NOT NULL,
    at          BIGINT   NOT NULL,
    PRIMARY KEY (tenant, application, ref)
);

-- +goose Down
DROP TABLE heads;
ALTER TABLE applications DROP COLUMN triggers;

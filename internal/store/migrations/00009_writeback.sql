-- +goose Up

-- What GitHub is owed of a release: one row each, due when something happened to it, or when an attempt is to be repeated.
CREATE TABLE writeback (
    release       TEXT   NOT NULL PRIMARY KEY,
    tenant        TEXT   NOT NULL,
    application   TEXT   NOT NULL,
    environment   TEXT   NOT NULL,
    number        BIGINT NOT NULL,
    -- Whose rate limit it is written under.
    account       TEXT   NOT NULL,
    repository    TEXT   NOT NULL,
    commit_id     TEXT   NOT NULL,
    -- The newest entry of the outbox that is about it.
    seq           BIGINT NOT NULL,
    -- waiting, settled or dead
    state         TEXT   NOT NULL,
    -- What the writer noted of it, JSON.
    notes         TEXT   NOT NULL,
    attempts      BIGINT NOT NULL,
    -- Since when every attempt failed; 0 when the last one did not.
    failing_since BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    updated_at    BIGINT NOT NULL
);
CREATE INDEX writeback_due ON writeback (due_at) WHERE state = 'waiting';
CREATE INDEX writeback_of_commit ON writeback (commit_id, tenant, application, environment, number);
CREATE INDEX writeback_claimed ON writeback (account, claimed_until);
CREATE INDEX writeback_newest ON writeback (updated_at);

-- What there is of it at GitHub: remote is its ID there, sent the hash of what it was last made to say.
CREATE TABLE writeback_objects (
    release    TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    remote     TEXT   NOT NULL,
    sent       TEXT   NOT NULL,
    -- trying, sent or dead
    state      TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (release, name)
);

-- Until when an account is left alone, because its requests are used up.
CREATE TABLE writeback_limits (
    account  TEXT   NOT NULL PRIMARY KEY,
    until_at BIGINT NOT NULL,
    reason   TEXT   NOT NULL
);

-- Deployments of GitHub Actions that wait for a word on a release.
CREATE TABLE writeback_protections (
    repository    TEXT   NOT NULL,
    run           BIGINT NOT NULL,
    environment   TEXT   NOT NULL,
    account       TEXT   NOT NULL,
    commit_id     TEXT   NOT NULL,
    -- waiting, approved, rejected or dead
    state         TEXT   NOT NULL,
    -- The last sentence it was told.
    said          TEXT   NOT NULL,
    attempts      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    PRIMARY KEY (repository, run, environment)
);
CREATE INDEX writeback_protections_due ON writeback_protections (due_at) WHERE state = 'waiting';

-- +goose Down
DROP TABLE writeback_protections;
DROP TABLE writeback_limits;
DROP TABLE writeback_objects;
DROP TABLE writeback;

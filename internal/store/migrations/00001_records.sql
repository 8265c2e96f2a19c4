-- One schema for SQLite and PostgreSQL. Moments are microseconds since 1970 in UTC, yes and no are 1
-- and 0, and what has an inner structure is JSON in text, whose encoding is valid UTF-8 without NUL.
-- SQLite takes any name for a type and keeps what it is given; BYTEA is PostgreSQL's for bytes.

-- +goose Up

-- The last number given for each kind of thing that is numbered in the order of storing.
CREATE TABLE counters (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('inbox', 0);

CREATE TABLE inbox (
    id           BIGINT NOT NULL PRIMARY KEY,
    source       TEXT   NOT NULL,
    delivery     TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    body         BYTEA  NOT NULL,
    received_at  BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    postponed    TEXT   NOT NULL,
    outcome      TEXT,
    message      TEXT,
    releases     TEXT,
    settled_at   BIGINT,
    UNIQUE (source, delivery)
);
CREATE INDEX inbox_pending ON inbox (id) WHERE outcome IS NULL;

CREATE TABLE applications (
    tenant          TEXT NOT NULL,
    name            TEXT NOT NULL,
    repository      TEXT NOT NULL,
    -- The repository taken apart for comparing; an empty host is any.
    repository_host TEXT NOT NULL,
    repository_path TEXT NOT NULL,
    branches        TEXT NOT NULL,
    PRIMARY KEY (tenant, name),
    UNIQUE (repository_path, repository_host)
);

CREATE TABLE releases (
    tenant       TEXT   NOT NULL,
    application  TEXT   NOT NULL,
    environment  TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    phase        TEXT   NOT NULL,
    commit_id    TEXT   NOT NULL,
    message      TEXT   NOT NULL,
    requester    TEXT   NOT NULL,
    requested_at BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    cause        TEXT   NOT NULL,
    -- The number of the last entry this row knows of; an older row never replaces a newer one.
    last_entry   BIGINT NOT NULL,
    PRIMARY KEY (tenant, application, environment, number)
);
CREATE INDEX releases_newest ON releases (requested_at, number, tenant, application, environment);

CREATE TABLE entries (
    tenant      TEXT   NOT NULL,
    application TEXT   NOT NULL,
    environment TEXT   NOT NULL,
    release     BIGINT NOT NULL,
    number      BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    phase       TEXT   NOT NULL,
    message     TEXT   NOT NULL,
    details     TEXT   NOT NULL,
    PRIMARY KEY (tenant, application, environment, release, number),
    FOREIGN KEY (tenant, application, environment, release)
        REFERENCES releases (tenant, application, environment, number)
);

-- Decisions and instructions have no foreign key: a release is asked about before its first record.
CREATE TABLE decisions (
    id          TEXT     NOT NULL PRIMARY KEY,
    release     TEXT     NOT NULL,
    gate        TEXT     NOT NULL,
    allow       SMALLINT NOT NULL,
    bundle      TEXT     NOT NULL,
    question    TEXT     NOT NULL,
    answer      TEXT     NOT NULL,
    asked_at    BIGINT   NOT NULL,
    took_micros BIGINT   NOT NULL
);
CREATE INDEX decisions_of_release ON decisions (release, asked_at);

CREATE TABLE instructions (
    id          TEXT   NOT NULL PRIMARY KEY,
    release     TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    instruction TEXT   NOT NULL,
    refused     TEXT   NOT NULL,
    at          BIGINT NOT NULL
);
CREATE INDEX instructions_of_release ON instructions (release, at);

CREATE TABLE revisions (
    id        TEXT NOT NULL PRIMARY KEY,
    component TEXT NOT NULL,
    artifact  TEXT NOT NULL,
    run       TEXT NOT NULL,
    commit_id TEXT NOT NULL
);

CREATE TABLE routes (
    unit    TEXT   NOT NULL,
    key     TEXT   NOT NULL,
    version BIGINT NOT NULL,
    route   TEXT   NOT NULL,
    PRIMARY KEY (unit, key)
);

-- +goose Down
DROP TABLE routes;
DROP TABLE revisions;
DROP TABLE instructions;
DROP TABLE decisions;
DROP TABLE entries;
DROP TABLE releases;
DROP TABLE applications;
DROP TABLE inbox;
DROP TABLE counters;

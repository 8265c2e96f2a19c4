-- +goose Up

-- What people may want to be told, kept in the transaction of what it tells. seq is the order of storing.
INSERT INTO counters (name, value) VALUES ('outbox', 0);
CREATE TABLE outbox (
    seq       BIGINT NOT NULL PRIMARY KEY,
    id        TEXT   NOT NULL UNIQUE,
    -- tenant/application/environment/number, or without the number what an alarm or a freeze is about, or nothing
    release   TEXT   NOT NULL,
    entry     TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    routed_at BIGINT
);
CREATE INDEX outbox_to_route ON outbox (seq) WHERE routed_at IS NULL;

-- One message to one target of one channel, in the order of seq for each target and release.
CREATE TABLE deliveries (
    id            TEXT   NOT NULL PRIMARY KEY,
    seq           BIGINT NOT NULL,
    outbox_id     TEXT   NOT NULL,
    channel       TEXT   NOT NULL,
    target        TEXT   NOT NULL,
    release       TEXT   NOT NULL,
    ask           BIGINT NOT NULL,
    notice        TEXT   NOT NULL,
    -- waiting, sent or dead
    state         TEXT   NOT NULL,
    attempts      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    ended_at      BIGINT
);
CREATE INDEX deliveries_waiting ON deliveries (channel, target, release, seq) WHERE state = 'waiting';
CREATE INDEX deliveries_asked ON deliveries (release, ask);
CREATE INDEX deliveries_newest ON deliveries (seq);

-- What a target was told before, as the channel's receipts. ask 0 is the first message of the release.
CREATE TABLE threads (
    channel TEXT   NOT NULL,
    target  TEXT   NOT NULL,
    release TEXT   NOT NULL,
    ask     BIGINT NOT NULL,
    receipt TEXT   NOT NULL,
    PRIMARY KEY (channel, target, release, ask)
);

-- +goose Down
DROP TABLE threads;
DROP TABLE deliveries;
DROP TABLE outbox;

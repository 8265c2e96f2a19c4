-- +goose Up

-- Who is sent events. How far each has been given its deliveries is in cursors, as events/NAME.
CREATE TABLE subscriptions (
    name         TEXT   NOT NULL PRIMARY KEY,
    -- a keyed sum of how it is configured, to see that it has changed
    config       TEXT   NOT NULL,
    -- when the subscriber said that it wants no more, and how
    disabled_at  BIGINT,
    reason       TEXT   NOT NULL,
    -- the subscriber asked to be left alone until then
    not_before   BIGINT NOT NULL,
    succeeded_at BIGINT,
    failed_at    BIGINT
);

-- One event on its way to one subscriber, in the order of seq for each subscription and subject.
CREATE TABLE event_deliveries (
    id            TEXT   NOT NULL PRIMARY KEY,
    subscription  TEXT   NOT NULL,
    seq           BIGINT NOT NULL,
    event         TEXT   NOT NULL,
    type          TEXT   NOT NULL,
    -- the release or lane it is about
    subject       TEXT   NOT NULL,
    body          TEXT   NOT NULL,
    -- waiting, sent or dead
    state         TEXT   NOT NULL,
    attempts      BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    due_at        BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    reason        TEXT   NOT NULL,
    ended_at      BIGINT
);
CREATE INDEX event_deliveries_waiting ON event_deliveries (subscription, subject, seq) WHERE state = 'waiting';
CREATE INDEX event_deliveries_newest ON event_deliveries (subscription, seq);
CREATE INDEX event_deliveries_dead ON event_deliveries (subscription, seq) WHERE state = 'dead';
CREATE INDEX event_deliveries_ended ON event_deliveries (ended_at) WHERE state <> 'waiting';

-- +goose Down
DROP TABLE event_deliveries;
DROP TABLE subscriptions;

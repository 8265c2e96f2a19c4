-- +goose Up

-- A body goes before its row does: the row keeps the event's name from being taken again, and says what became of it.
ALTER TABLE inbox ADD COLUMN body_size BIGINT NOT NULL DEFAULT 0;
ALTER TABLE inbox ADD COLUMN body_pruned_at BIGINT;
UPDATE inbox SET body_size = length(body);

-- A replay is an event of its own: which one it repeats, whether it asks for another release where there is one, who
-- asked, and the name of their request, so that asking twice replays once.
ALTER TABLE inbox ADD COLUMN replay_of BIGINT;
ALTER TABLE inbox ADD COLUMN again SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE inbox ADD COLUMN asked_by TEXT;
ALTER TABLE inbox ADD COLUMN request TEXT;
CREATE UNIQUE INDEX inbox_replays ON inbox (replay_of, request) WHERE replay_of IS NOT NULL;

CREATE INDEX inbox_received ON inbox (received_at);
CREATE INDEX inbox_outcomes ON inbox (outcome, id) WHERE outcome IS NOT NULL;
CREATE INDEX inbox_settled ON inbox (settled_at) WHERE outcome IS NOT NULL;
CREATE INDEX inbox_bodies ON inbox (settled_at) WHERE outcome IS NOT NULL AND body_pruned_at IS NULL;

-- +goose Down
DROP INDEX inbox_bodies;
DROP INDEX inbox_settled;
DROP INDEX inbox_outcomes;
DROP INDEX inbox_received;
DROP INDEX inbox_replays;
ALTER TABLE inbox DROP COLUMN request;
ALTER TABLE inbox DROP COLUMN asked_by;
ALTER TABLE inbox DROP COLUMN again;
ALTER TABLE inbox DROP COLUMN replay_of;
ALTER TABLE inbox DROP COLUMN body_pruned_at;
ALTER TABLE inbox DROP COLUMN body_size;

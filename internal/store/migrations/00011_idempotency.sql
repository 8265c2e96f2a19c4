-- +goose Up

-- Requests that came with an Idempotency-Key, and what was answered. The id is a hash of the token's name and the key, the
-- request one of all that was asked for. Without a status the request is under way, until claimed_until at the longest.
CREATE TABLE idempotency_keys (
    id            TEXT   NOT NULL PRIMARY KEY,
    request       TEXT   NOT NULL,
    claimed_until BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    status        INTEGER,
    media         TEXT   NOT NULL,
    body          BYTEA  NOT NULL
);

CREATE INDEX idempotency_keys_expire ON idempotency_keys (expires_at);

-- +goose Down
DROP TABLE idempotency_keys;

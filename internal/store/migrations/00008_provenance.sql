-- +goose Up

-- Where artifacts come from, as it was signed. The same bytes may be built more than once, and each build is stated: hash is
-- the SHA-256 of the envelope. Nothing in this table is trusted: whoever reads an envelope checks its signature.
CREATE TABLE statements (
    artifact  TEXT   NOT NULL,
    hash      TEXT   NOT NULL,
    release   TEXT   NOT NULL,
    component TEXT   NOT NULL,
    envelope  TEXT   NOT NULL,
    made_at   BIGINT NOT NULL,
    PRIMARY KEY (artifact, hash)
);
CREATE INDEX statements_newest ON statements (artifact, made_at);
CREATE INDEX statements_of_release ON statements (release, made_at);

-- +goose Down
DROP TABLE statements;

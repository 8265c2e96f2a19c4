-- +goose Up

-- What serves each lane since its last completed release; its number guards against an older write.
CREATE TABLE lanes (
    tenant      TEXT   NOT NULL,
    application TEXT   NOT NULL,
    environment TEXT   NOT NULL,
    release     BIGINT NOT NULL,
    stable      TEXT   NOT NULL,
    PRIMARY KEY (tenant, application, environment)
);

-- +goose Down
DROP TABLE lanes;

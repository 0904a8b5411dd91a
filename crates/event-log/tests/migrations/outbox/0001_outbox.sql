CREATE TABLE outbox (
    seq           BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id      UUID        NOT NULL UNIQUE,
    topic         TEXT        NOT NULL,
    kind          TEXT        NOT NULL,
    source        TEXT        NOT NULL,
    key           TEXT        NOT NULL,
    time          TIMESTAMPTZ NOT NULL,
    traceparent   TEXT,
    data          BYTEA       NOT NULL,
    published_at  TIMESTAMPTZ,
    claimed_by    UUID,
    claimed_until TIMESTAMPTZ,
    request_id    TEXT
);

CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_unpublished_of_key ON outbox (key, seq) WHERE published_at IS NULL;

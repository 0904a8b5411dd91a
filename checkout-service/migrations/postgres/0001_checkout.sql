CREATE TABLE checkouts (
    id               UUID        PRIMARY KEY,
    user_id          BIGINT      NOT NULL CHECK (user_id > 0),
    cart_version     BIGINT      NOT NULL,
    items            JSONB       NOT NULL,
    total_minor      BIGINT      NOT NULL CHECK (total_minor >= 0),
    currency         CHAR(3)     NOT NULL,
    payment_method   TEXT        NOT NULL,
    shipping_address JSONB,
    traceparent      TEXT        NOT NULL,
    created_at       TIMESTAMPTZ NOT NULL,
    deadline         TIMESTAMPTZ NOT NULL,
    state            TEXT        NOT NULL,
    failure          JSONB,
    -- These two are moments of the database's clock; all others are told by the instance that wrote them.
    due_at           TIMESTAMPTZ NOT NULL,
    lease_until      TIMESTAMPTZ NOT NULL,
    fence            BIGINT      NOT NULL,
    owner            UUID        NOT NULL,
    timeline         JSONB       NOT NULL,
    completed_at     TIMESTAMPTZ,
    CHECK ((completed_at IS NOT NULL) = (state IN ('COMPLETED', 'FAILED'))),
    CHECK ((failure IS NOT NULL) = (state IN ('VOIDING', 'REFUNDING', 'RELEASING', 'FAILED')))
);

-- One cart version is bought at most once.
CREATE UNIQUE INDEX one_purchase_per_cart_version ON checkouts (user_id, cart_version) WHERE state <> 'FAILED';

-- What has work left, by when it is due.
CREATE INDEX unfinished_checkouts ON checkouts (due_at) WHERE state NOT IN ('COMPLETED', 'FAILED');

CREATE TABLE idempotency_keys (
    user_id     BIGINT NOT NULL,
    key         TEXT   NOT NULL,
    fingerprint TEXT   NOT NULL,
    checkout_id UUID   NOT NULL UNIQUE REFERENCES checkouts (id),
    PRIMARY KEY (user_id, key)
);

CREATE TABLE outbox (
    seq           BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Follows from the checkout, which so has one event at most.
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
    claimed_until TIMESTAMPTZ
);

CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_unpublished_of_key ON outbox (key, seq) WHERE published_at IS NULL;

CREATE TABLE checkouts (
    id               TEXT    NOT NULL PRIMARY KEY,
    user_id          INTEGER NOT NULL CHECK (user_id > 0),
    cart_version     INTEGER NOT NULL,
    items            TEXT    NOT NULL,
    total_minor      INTEGER NOT NULL CHECK (total_minor >= 0),
    currency         TEXT    NOT NULL CHECK (length(currency) = 3),
    payment_method   TEXT    NOT NULL,
    shipping_address TEXT,
    traceparent      TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    deadline         INTEGER NOT NULL,
    state            TEXT    NOT NULL,
    failure          TEXT,
    due_at           INTEGER NOT NULL,
    fence            INTEGER NOT NULL,
    owner            TEXT    NOT NULL,
    lease_until      INTEGER NOT NULL,
    timeline         TEXT    NOT NULL,
    completed_at     INTEGER,
    CHECK ((completed_at IS NOT NULL) = (state IN ('COMPLETED', 'FAILED'))),
    CHECK ((failure IS NOT NULL) = (state IN ('VOIDING', 'REFUNDING', 'RELEASING', 'FAILED')))
) STRICT, WITHOUT ROWID;

-- One cart version is bought at most once.
CREATE UNIQUE INDEX one_purchase_per_cart_version ON checkouts (user_id, cart_version) WHERE state <> 'FAILED';

-- What has work left, by when it is due.
CREATE INDEX unfinished_checkouts ON checkouts (due_at) WHERE state NOT IN ('COMPLETED', 'FAILED');

CREATE TABLE idempotency_keys (
    user_id     INTEGER NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    checkout_id TEXT    NOT NULL UNIQUE REFERENCES checkouts (id),
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE outbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Follows from the checkout, which so has one event at most.
    event_id    TEXT    NOT NULL UNIQUE,
    topic       TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    time        INTEGER NOT NULL,
    traceparent TEXT,
    data        BLOB    NOT NULL,
    published   INTEGER NOT NULL DEFAULT 0 CHECK (published IN (0, 1))
) STRICT;

CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published = 0;

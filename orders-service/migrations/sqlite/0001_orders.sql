-- An order is written once and then only changes its status. Times are microseconds since 1970 UTC,
-- amounts the smallest unit of the currency, ids lower case UUID text.
CREATE TABLE orders (
    id               TEXT    PRIMARY KEY,
    checkout_id      TEXT    NOT NULL UNIQUE,
    user_id          INTEGER NOT NULL CHECK (user_id > 0),
    status           TEXT    NOT NULL CHECK (status IN ('CONFIRMED', 'PROCESSING', 'SHIPPED', 'DELIVERED')),
    total_minor      INTEGER NOT NULL CHECK (total_minor >= 0),
    currency         TEXT    NOT NULL CHECK (length(currency) = 3),
    shipping_address TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL
) STRICT;

CREATE INDEX orders_of_user ON orders (user_id, created_at DESC, id DESC);

CREATE TABLE order_lines (
    order_id         TEXT    NOT NULL REFERENCES orders (id),
    position         INTEGER NOT NULL,
    product_id       INTEGER NOT NULL CHECK (product_id > 0),
    product_name     TEXT    NOT NULL,
    quantity         INTEGER NOT NULL CHECK (quantity > 0),
    unit_price_minor INTEGER NOT NULL CHECK (unit_price_minor >= 0),
    line_total_minor INTEGER NOT NULL CHECK (line_total_minor = unit_price_minor * quantity),
    PRIMARY KEY (order_id, position)
) STRICT, WITHOUT ROWID;

-- Which event made which order: the mark of having applied it, written with the order.
CREATE TABLE inbox (
    order_id   TEXT    PRIMARY KEY REFERENCES orders (id),
    event_id   TEXT    NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is to be told: written with the change that it tells of, published in the order of seq.
CREATE TABLE outbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
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

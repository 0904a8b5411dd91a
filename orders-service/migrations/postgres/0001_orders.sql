-- An order is written once and then only changes its status. Amounts are in the smallest unit of the currency.
CREATE TABLE orders (
    id               UUID        PRIMARY KEY,
    checkout_id      UUID        NOT NULL UNIQUE,
    user_id          BIGINT      NOT NULL CHECK (user_id > 0),
    status           TEXT        NOT NULL CHECK (status IN ('CONFIRMED', 'PROCESSING', 'SHIPPED', 'DELIVERED')),
    total_minor      BIGINT      NOT NULL CHECK (total_minor >= 0),
    currency         CHAR(3)     NOT NULL CHECK (length(currency) = 3),
    shipping_address TEXT,
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL
);

CREATE INDEX orders_of_user ON orders (user_id, created_at DESC, id DESC);

CREATE TABLE order_lines (
    order_id         UUID    NOT NULL REFERENCES orders (id),
    position         INTEGER NOT NULL,
    product_id       BIGINT  NOT NULL CHECK (product_id > 0),
    product_name     TEXT    NOT NULL,
    quantity         BIGINT  NOT NULL CHECK (quantity > 0),
    unit_price_minor BIGINT  NOT NULL CHECK (unit_price_minor >= 0),
    line_total_minor BIGINT  NOT NULL CHECK (line_total_minor = unit_price_minor * quantity),
    PRIMARY KEY (order_id, position)
);

-- Which event made which order: the mark of having applied it, written with the order.
CREATE TABLE inbox (
    order_id   UUID        PRIMARY KEY REFERENCES orders (id),
    event_id   UUID        NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
);

-- What is to be told: written with the change that it tells of, published in the order of seq within a key.
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
    -- The instance that is publishing it, and until when the others leave it alone.
    claimed_by    UUID,
    claimed_until TIMESTAMPTZ
);

CREATE INDEX outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_unpublished_of_key ON outbox (key, seq) WHERE published_at IS NULL;

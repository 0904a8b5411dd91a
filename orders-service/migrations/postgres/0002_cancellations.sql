ALTER TABLE orders
    DROP CONSTRAINT orders_status_check,
    ADD CONSTRAINT orders_status_check
        CHECK (status IN ('CONFIRMED', 'PROCESSING', 'SHIPPED', 'DELIVERED', 'CANCELLING', 'CANCELLED'));

-- Orders on their way back: which call is next, and in whose hands it is.
CREATE TABLE cancellations (
    order_id     UUID        PRIMARY KEY REFERENCES orders (id),
    -- No list of states: one of a later version is left to that.
    state        TEXT        NOT NULL,
    attempts     BIGINT      NOT NULL CHECK (attempts >= 0),
    traceparent  TEXT,
    requested_at TIMESTAMPTZ NOT NULL,
    ended_at     TIMESTAMPTZ,
    -- These two are moments of the database's clock; all others are told by the instance that wrote them.
    due_at       TIMESTAMPTZ NOT NULL,
    lease_until  TIMESTAMPTZ NOT NULL,
    fence        BIGINT      NOT NULL,
    owner        UUID,
    CHECK ((ended_at IS NOT NULL) = (state = 'CANCELLED'))
);

CREATE INDEX unfinished_cancellations ON cancellations (due_at) WHERE state <> 'CANCELLED';

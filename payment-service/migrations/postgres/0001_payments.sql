-- One payment per checkout.
CREATE TABLE payments (
    checkout_id  UUID        PRIMARY KEY,
    payment_id   UUID        NOT NULL UNIQUE,
    -- The terms. All absent: voided before anyone asked for it.
    user_id      BIGINT      CHECK (user_id > 0),
    amount_minor BIGINT      CHECK (amount_minor > 0),
    currency     CHAR(3),
    method       TEXT,
    status       TEXT        NOT NULL
        CHECK (status IN ('PENDING', 'AUTHORIZED', 'DECLINED', 'CAPTURING', 'CAPTURED', 'VOIDING', 'VOIDED',
                          'REFUNDING', 'REFUNDED')),
    decline_code TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    CHECK ((status = 'DECLINED') = (decline_code IS NOT NULL)),
    CHECK ((user_id IS NULL) = (amount_minor IS NULL)
       AND (amount_minor IS NULL) = (currency IS NULL)
       AND (currency IS NULL) = (method IS NULL))
);

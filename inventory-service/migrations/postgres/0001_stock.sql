-- What there is of each product. The last check is the first invariant of the shop: every unit that ever
-- came in is free, held or sold. Half of each page is kept free, so that a row that changes all the time
-- changes in its place.
CREATE TABLE stock (
    product_id BIGINT PRIMARY KEY CHECK (product_id > 0),
    available  BIGINT NOT NULL CHECK (available >= 0),
    held       BIGINT NOT NULL CHECK (held >= 0),
    sold       BIGINT NOT NULL CHECK (sold >= 0),
    on_hand_in BIGINT NOT NULL CHECK (on_hand_in = available + held + sold)
) WITH (fillfactor = 50);

-- Reservations are never deleted: each is the stored outcome of its key. One without lines is a tombstone.
CREATE TABLE reservations (
    id         UUID        PRIMARY KEY,
    status     TEXT        NOT NULL CHECK (status IN ('HELD', 'COMMITTED', 'RELEASED', 'EXPIRED', 'REJECTED')),
    expires_at TIMESTAMPTZ CHECK ((expires_at IS NOT NULL) = (status IN ('HELD', 'EXPIRED'))),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX reservations_held ON reservations (expires_at) WHERE status = 'HELD';

-- No reference to stock: what is asked for need not exist.
CREATE TABLE reservation_lines (
    reservation_id UUID    NOT NULL REFERENCES reservations (id),
    product_id     BIGINT  NOT NULL CHECK (product_id > 0),
    quantity       BIGINT  NOT NULL CHECK (quantity > 0),
    -- Whether this product is why the reservation was rejected.
    lacking        BOOLEAN NOT NULL,
    PRIMARY KEY (reservation_id, product_id)
);

-- Every unit's way in and out; replaying the movements of a product gives its row in stock. An id is given while
-- the product's row in stock is locked, so the ids of a product ascend in the order of its movements.
CREATE TABLE movements (
    id             BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id     BIGINT      NOT NULL REFERENCES stock (product_id),
    kind           TEXT        NOT NULL
                   CHECK (kind IN ('ADJUST', 'RESERVE', 'COMMIT', 'RELEASE', 'EXPIRE', 'RESTOCK')),
    quantity       BIGINT      NOT NULL CHECK (quantity > 0 OR (quantity < 0 AND kind = 'ADJUST')),
    reservation_id UUID        REFERENCES reservations (id) CHECK ((reservation_id IS NULL) = (kind = 'ADJUST')),
    at             TIMESTAMPTZ NOT NULL
);

CREATE INDEX movements_of_product ON movements (product_id, id);

-- A reservation can take stock twice, the second time after it expired; all else happens to it once.
CREATE UNIQUE INDEX movements_once ON movements (reservation_id, product_id, kind)
    WHERE kind NOT IN ('ADJUST', 'RESERVE');

CREATE FUNCTION movements_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'movements are append-only';
END;
$$;

CREATE TRIGGER movements_are_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON movements
    FOR EACH STATEMENT EXECUTE FUNCTION movements_are_append_only();

-- The first delivery, for the products that the catalogue starts with.
INSERT INTO stock (product_id, available, held, sold, on_hand_in)
VALUES (1, 50, 0, 0, 50), (2, 200, 0, 0, 200), (3, 100, 0, 0, 100), (4, 75, 0, 0, 75), (5, 150, 0, 0, 150);

INSERT INTO movements (product_id, kind, quantity, at)
SELECT product_id, 'ADJUST', available, now() FROM stock ORDER BY product_id;

-- What there is of each product. The last check is the first invariant of the shop: every unit that ever
-- came in is free, held or sold.
CREATE TABLE stock (
    product_id INTEGER PRIMARY KEY CHECK (product_id > 0),
    available  INTEGER NOT NULL CHECK (available >= 0),
    held       INTEGER NOT NULL CHECK (held >= 0),
    sold       INTEGER NOT NULL CHECK (sold >= 0),
    on_hand_in INTEGER NOT NULL CHECK (on_hand_in = available + held + sold)
) STRICT;

-- Reservations are never deleted: each is the stored outcome of its key. One without lines is a tombstone.
CREATE TABLE reservations (
    id         TEXT    PRIMARY KEY,
    status     TEXT    NOT NULL CHECK (status IN ('HELD', 'COMMITTED', 'RELEASED', 'EXPIRED', 'REJECTED')),
    expires_at INTEGER CHECK ((expires_at IS NOT NULL) = (status IN ('HELD', 'EXPIRED'))),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX reservations_held ON reservations (expires_at) WHERE status = 'HELD';

-- No reference to stock: what is asked for need not exist.
CREATE TABLE reservation_lines (
    reservation_id TEXT    NOT NULL REFERENCES reservations (id),
    product_id     INTEGER NOT NULL CHECK (product_id > 0),
    quantity       INTEGER NOT NULL CHECK (quantity > 0),
    -- 1: this product is why the reservation was rejected.
    lacking        INTEGER NOT NULL CHECK (lacking IN (0, 1)),
    PRIMARY KEY (reservation_id, product_id)
) STRICT, WITHOUT ROWID;

-- Every unit's way in and out; replaying the movements of a product gives its row in stock.
CREATE TABLE movements (
    id             INTEGER PRIMARY KEY,
    product_id     INTEGER NOT NULL REFERENCES stock (product_id),
    kind           TEXT    NOT NULL CHECK (kind IN ('ADJUST', 'RESERVE', 'COMMIT', 'RELEASE', 'EXPIRE', 'RESTOCK')),
    quantity       INTEGER NOT NULL CHECK (quantity > 0 OR (quantity < 0 AND kind = 'ADJUST')),
    reservation_id TEXT    REFERENCES reservations (id) CHECK ((reservation_id IS NULL) = (kind = 'ADJUST')),
    at             INTEGER NOT NULL
) STRICT;

CREATE INDEX movements_of_product ON movements (product_id, id);

-- A reservation can take stock twice, the second time after it expired; all else happens to it once.
CREATE UNIQUE INDEX movements_once ON movements (reservation_id, product_id, kind)
    WHERE kind NOT IN ('ADJUST', 'RESERVE');

CREATE TRIGGER movements_are_not_changed BEFORE UPDATE ON movements
BEGIN
    SELECT RAISE(ABORT, 'movements are append-only');
END;

CREATE TRIGGER movements_are_not_deleted BEFORE DELETE ON movements
BEGIN
    SELECT RAISE(ABORT, 'movements are append-only');
END;

-- The first delivery, for the products that the catalogue starts with.
INSERT INTO stock (product_id, available, held, sold, on_hand_in)
VALUES (1, 50, 0, 0, 50), (2, 200, 0, 0, 200), (3, 100, 0, 0, 100), (4, 75, 0, 0, 75), (5, 150, 0, 0, 150);

INSERT INTO movements (product_id, kind, quantity, at)
SELECT product_id, 'ADJUST', available, CAST(unixepoch('subsec') * 1000000 AS INTEGER)
FROM stock ORDER BY product_id;

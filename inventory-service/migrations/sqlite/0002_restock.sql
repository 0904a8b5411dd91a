-- What was sold can be given back: its reservation is RESTOCKED then. SQLite can't change a check, so the table is
-- made anew. Lines and movements refer to it: they are looked at when the migration ends, and each reservation finds
-- its movements by an index that is there only for that.
PRAGMA defer_foreign_keys = ON;

CREATE INDEX movements_of_reservation ON movements (reservation_id);

CREATE TABLE reservations_before AS SELECT id, status, expires_at, created_at, updated_at FROM reservations;

DROP TABLE reservations;

CREATE TABLE reservations (
    id         TEXT    PRIMARY KEY,
    status     TEXT    NOT NULL
               CHECK (status IN ('HELD', 'COMMITTED', 'RELEASED', 'EXPIRED', 'REJECTED', 'RESTOCKED')),
    expires_at INTEGER CHECK ((expires_at IS NOT NULL) = (status IN ('HELD', 'EXPIRED'))),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO reservations (id, status, expires_at, created_at, updated_at)
SELECT id, status, expires_at, created_at, updated_at FROM reservations_before;

DROP TABLE reservations_before;

DROP INDEX movements_of_reservation;

CREATE INDEX reservations_held ON reservations (expires_at) WHERE status = 'HELD';

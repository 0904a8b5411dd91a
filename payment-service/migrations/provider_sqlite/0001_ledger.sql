-- What the simulated provider did, for good: entries are added, never changed. Where a key stands is what
-- its last entry says.
CREATE TABLE ledger (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    checkout_key TEXT    NOT NULL,
    effect       TEXT    NOT NULL
        CHECK (effect IN ('authorize', 'decline', 'capture', 'void', 'refund', 'tombstone')),
    decline_code TEXT,
    -- In the currency's smallest unit. A tombstone has no amount: it was void before it was asked for.
    amount_minor INTEGER CHECK (amount_minor > 0),
    currency     TEXT    CHECK (length(currency) = 3),
    method       TEXT,
    at           INTEGER NOT NULL,
    CHECK ((effect = 'decline') = (decline_code IS NOT NULL)),
    CHECK ((effect = 'tombstone') = (amount_minor IS NULL)),
    CHECK ((amount_minor IS NULL) = (currency IS NULL) AND (currency IS NULL) = (method IS NULL))
) STRICT;

CREATE INDEX ledger_by_key ON ledger (checkout_key, seq);

-- A key is opened once, what it holds is taken or given back once, and what was taken is given back once.
CREATE UNIQUE INDEX ledger_opens ON ledger (checkout_key) WHERE effect IN ('authorize', 'decline', 'tombstone');
CREATE UNIQUE INDEX ledger_resolves ON ledger (checkout_key) WHERE effect IN ('capture', 'void');
CREATE UNIQUE INDEX ledger_refunds ON ledger (checkout_key) WHERE effect = 'refund';

CREATE TRIGGER ledger_is_never_changed BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER ledger_is_never_cut BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is append-only');
END;

-- Authorisations that the provider was too unwell to take, for the method that fails twice.
CREATE TABLE outages (
    checkout_key TEXT    PRIMARY KEY,
    attempts     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per user. What the statements ask for has columns of its own; the rest of the cart is one document.
CREATE TABLE carts (
    user_id    INTEGER PRIMARY KEY CHECK (user_id > 0),
    version    INTEGER NOT NULL CHECK (version > 0),
    -- Microseconds since the epoch.
    updated_at INTEGER NOT NULL,
    document   TEXT    NOT NULL CHECK (json_valid(document))
) STRICT;

-- For the sweep of carts that nobody changed for long.
CREATE INDEX carts_by_age ON carts (updated_at);

-- Positions are handed out inside of write transactions, which SQLite serialises: the order of positions is
-- the order of commits, and a reader that has seen a position has seen all before it.
CREATE TABLE events (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    topic       TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    time        INTEGER NOT NULL, -- microseconds UTC
    traceparent TEXT,
    data        BLOB    NOT NULL,
    reason      TEXT              -- of a dead letter
) STRICT;

CREATE INDEX events_of_topic ON events (topic, position);

-- How far a group has come in a topic, and which of its members has the topic at the moment.
CREATE TABLE progress (
    consumers    TEXT    NOT NULL, -- the group
    topic        TEXT    NOT NULL,
    next         INTEGER NOT NULL, -- the first position that is not done
    member       TEXT,
    leased_until INTEGER NOT NULL, -- microseconds UTC; nobody else takes the topic before
    PRIMARY KEY (consumers, topic)
) STRICT, WITHOUT ROWID;

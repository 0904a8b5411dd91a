-- Who has given a dead letter up, and when.
ALTER TABLE events ADD COLUMN given_up_by TEXT;
ALTER TABLE events ADD COLUMN given_up_at INTEGER; -- microseconds UTC

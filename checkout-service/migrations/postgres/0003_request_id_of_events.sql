-- The id of the request that caused an event; NULL of those from before, and of what no request caused.
ALTER TABLE outbox ADD COLUMN request_id TEXT;

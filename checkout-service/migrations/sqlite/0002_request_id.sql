-- The id of the request that began a checkout; '' of those from before.
ALTER TABLE checkouts ADD COLUMN request_id TEXT NOT NULL DEFAULT '';

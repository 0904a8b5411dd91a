-- The id of the request that began a cancellation; '' of those from before.
ALTER TABLE cancellations ADD COLUMN request_id TEXT NOT NULL DEFAULT '';

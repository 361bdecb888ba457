-- Work on the updates of one round that several processes share. `work` and `result` are signed by the aggregator,
-- and results are encrypted to it. There is no such table in SQLite, which belongs to one process.
CREATE TABLE works (
    id   BYTEA PRIMARY KEY,
    work BYTEA NOT NULL
);

CREATE TABLE batches (
    work         BYTEA   NOT NULL REFERENCES works ON DELETE CASCADE,
    batch        INTEGER NOT NULL,
    -- Who works on it, and until when nobody else does. By the clock of this server alone.
    worker       TEXT,
    leased_until TIMESTAMPTZ,
    leases       INTEGER NOT NULL DEFAULT 0,
    -- A worker could not read its updates: left to the aggregator's own process.
    declined     BOOLEAN NOT NULL DEFAULT FALSE,
    result       BYTEA,
    PRIMARY KEY (work, batch)
);

-- Encrypted bytes do not get shorter.
ALTER TABLE batches ALTER COLUMN result SET STORAGE EXTERNAL;

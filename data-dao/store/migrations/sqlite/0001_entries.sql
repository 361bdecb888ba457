-- The log: one row per entry, only ever appended. Amounts, members and votes are not tables: they
-- are recomputed from the leaves at start, so that there is nothing else to tamper with.
CREATE TABLE entries (
    -- 0-based, without gaps.
    entry_index   INTEGER PRIMARY KEY CHECK (entry_index >= 0),
    -- Canonical JSON of the entry.
    leaf          BLOB NOT NULL CHECK (length(leaf) BETWEEN 1 AND 65535),
    -- Leaf hash of RFC 6962.
    leaf_hash     BLOB NOT NULL CHECK (length(leaf_hash) = 32),
    -- Leaf hash of the entry before; 32 zero bytes for the first.
    previous_hash BLOB NOT NULL CHECK (length(previous_hash) = 32)
) STRICT;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are append-only');
END;

CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'entries are append-only');
END;

-- The signed tree heads, one per append, in the same transaction as the entries they cover.
CREATE TABLE checkpoints (
    size INTEGER PRIMARY KEY CHECK (size > 0),
    -- A signed note of C2SP tlog-checkpoint.
    note TEXT NOT NULL
) STRICT;

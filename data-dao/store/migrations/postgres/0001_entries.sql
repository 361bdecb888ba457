-- The log: one row per entry, only ever appended. Amounts, members and votes are not tables: they
-- are recomputed from the leaves at start, so that there is nothing else to tamper with.
CREATE TABLE entries (
    -- 0-based, without gaps.
    entry_index   BIGINT PRIMARY KEY CHECK (entry_index >= 0),
    -- Canonical JSON of the entry.
    leaf          BYTEA NOT NULL CHECK (length(leaf) BETWEEN 1 AND 65535),
    -- Leaf hash of RFC 6962.
    leaf_hash     BYTEA NOT NULL CHECK (length(leaf_hash) = 32),
    -- Leaf hash of the entry before; 32 zero bytes for the first.
    previous_hash BYTEA NOT NULL CHECK (length(previous_hash) = 32)
);

CREATE FUNCTION entries_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries are append-only';
END
$$;

CREATE TRIGGER entries_are_not_changed BEFORE UPDATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION entries_are_append_only();

CREATE TRIGGER entries_are_not_deleted BEFORE DELETE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION entries_are_append_only();

CREATE TRIGGER entries_are_not_truncated BEFORE TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION entries_are_append_only();

-- The signed tree heads, one per append, in the same transaction as the entries they cover. Whoever appends locks this
-- table first, so that of several processes one appends at a time.
CREATE TABLE checkpoints (
    size BIGINT PRIMARY KEY CHECK (size > 0),
    -- A signed note of C2SP tlog-checkpoint.
    note TEXT NOT NULL
);

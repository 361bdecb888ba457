-- Whose state this is: the aggregator's public key. Another aggregator is refused.
CREATE TABLE owner (
    id   INTEGER PRIMARY KEY CHECK (id = 0),
    key  BYTEA   NOT NULL
);

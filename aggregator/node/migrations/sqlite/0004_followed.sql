-- Terms that members voted for and that were followed: from which entry of the ledger on, and the highest round that was
-- answered under terms before.
CREATE TABLE followed (
    id        INTEGER PRIMARY KEY CHECK (id = 0),
    entry     INTEGER NOT NULL,
    answered  INTEGER
) STRICT;

-- The inputs that the round's machine accepted since the last round ended, in order. Replayed at start.
CREATE TABLE inputs (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms  INTEGER NOT NULL,
    input  BLOB    NOT NULL
) STRICT;

-- How rounds ended: kept to answer contributors, and so that no round number is used twice.
CREATE TABLE ended (
    round INTEGER PRIMARY KEY,
    ended BLOB    NOT NULL
) STRICT;

-- The federation that this state belongs to: its signed terms.
CREATE TABLE terms (
    id     INTEGER PRIMARY KEY CHECK (id = 0),
    terms  BLOB    NOT NULL
) STRICT;

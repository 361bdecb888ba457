-- The inputs that the round's machine accepted since the last round ended, in order. Replayed at start.
CREATE TABLE inputs (
    seq    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms  BIGINT NOT NULL,
    input  BYTEA  NOT NULL
);

-- How rounds ended: kept to answer contributors, and so that no round number is used twice.
CREATE TABLE ended (
    round BIGINT PRIMARY KEY,
    ended BYTEA  NOT NULL
);

-- The federation that this state belongs to: its signed terms.
CREATE TABLE terms (
    id     INTEGER PRIMARY KEY CHECK (id = 0),
    terms  BYTEA   NOT NULL
);

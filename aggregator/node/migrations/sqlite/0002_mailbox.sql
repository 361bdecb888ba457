-- What the cohort's delivery keeps: key packages, commits, welcomes. One row, replaced whole.
CREATE TABLE mailbox (
    id       INTEGER PRIMARY KEY CHECK (id = 0),
    mailbox  BLOB    NOT NULL
) STRICT;

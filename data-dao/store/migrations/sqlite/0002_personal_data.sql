-- Personal data, which the log only commits to: erased by deleting a row. Nothing is recomputed from it.
CREATE TABLE personal_data (
    -- Digest of salt and content, as the log has it.
    commitment BLOB PRIMARY KEY CHECK (length(commitment) = 32),
    salt       BLOB NOT NULL CHECK (length(salt) = 32),
    -- UTF-8.
    content    BLOB NOT NULL
) STRICT;

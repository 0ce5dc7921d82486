-- The index of the store: what exists and what it is called. PRAGMA user_version holds the format.
-- A commit here is the moment at which an object appears or disappears.

CREATE TABLE bucket (
    name       TEXT    PRIMARY KEY,
    created    INTEGER NOT NULL,              -- ms since 1970, as every time here
    versioning INTEGER NOT NULL               -- 0 never on, 1 on, 2 suspended
) STRICT, WITHOUT ROWID;

CREATE TABLE expire (
    bucket TEXT    NOT NULL REFERENCES bucket ON DELETE CASCADE,
    prefix BLOB    NOT NULL,
    days   INTEGER NOT NULL,
    PRIMARY KEY (bucket, prefix, days)
) STRICT, WITHOUT ROWID;

-- Keys are bytes so that they sort as S3 lists them and "everything that starts with" is a range.
-- AUTOINCREMENT: seq is the order in which versions were written and is never used twice.
CREATE TABLE version (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket     TEXT    NOT NULL REFERENCES bucket ON DELETE CASCADE,
    key        BLOB    NOT NULL,
    version_id TEXT    NOT NULL,              -- 'null' when written while versioning was not on
    latest     INTEGER NOT NULL,
    marker     INTEGER NOT NULL,              -- a delete marker: no blob
    modified   INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    etag       TEXT    NOT NULL,
    algorithm  TEXT,
    checksum   TEXT,
    part_sizes TEXT,                          -- JSON, of an object that was uploaded in parts
    headers    TEXT    NOT NULL,              -- JSON, name to value, for each of these three
    metadata   TEXT    NOT NULL,
    tags       TEXT    NOT NULL,
    blob       INTEGER UNIQUE,
    CHECK (marker = (blob IS NULL)),
    UNIQUE (bucket, key, version_id)
) STRICT;
CREATE INDEX version_history ON version (bucket, key, seq DESC);
CREATE UNIQUE INDEX version_latest ON version (bucket, key) WHERE latest = 1;

CREATE TABLE upload (
    id            TEXT    PRIMARY KEY,
    bucket        TEXT    NOT NULL REFERENCES bucket ON DELETE CASCADE,
    key           BLOB    NOT NULL,
    started       INTEGER NOT NULL,
    algorithm     TEXT,
    full_object   INTEGER NOT NULL,
    headers       TEXT    NOT NULL,
    metadata      TEXT    NOT NULL,
    tags          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_by_key ON upload (bucket, key, id);

CREATE TABLE part (
    upload    TEXT    NOT NULL REFERENCES upload ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    modified  INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    etag      TEXT    NOT NULL,
    algorithm TEXT,
    checksum  TEXT,
    blob      INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

-- The home of a queue. What a job is stands in `body`, as JSON; the other columns only find it.

CREATE TABLE jobs (
    id        TEXT    NOT NULL PRIMARY KEY,
    version   INTEGER NOT NULL,
    state     TEXT    NOT NULL,
    -- held, due, ready, blocked or ended, and the time that goes with it
    shelf     TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    worker    TEXT,
    lane      TEXT    NOT NULL,
    submitted INTEGER NOT NULL,
    spec      TEXT    NOT NULL,
    body      TEXT    NOT NULL
) STRICT;
CREATE INDEX jobs_of_shelf ON jobs (shelf, at);
CREATE INDEX jobs_of_lane ON jobs (lane, shelf, at, id);
CREATE INDEX jobs_of_worker ON jobs (worker) WHERE worker IS NOT NULL;
CREATE INDEX jobs_of_state ON jobs (state, submitted, id);
CREATE INDEX jobs_in_order ON jobs (submitted, id);

CREATE TABLE sources (
    key     TEXT    NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    body    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lanes (
    lane   TEXT    NOT NULL PRIMARY KEY,
    served INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    job    TEXT    NOT NULL,
    number INTEGER NOT NULL,
    body   TEXT    NOT NULL,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    name TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What this store is. epoch names it: event numbers of two epochs do not compare.
CREATE TABLE meta (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  epoch TEXT    NOT NULL,
  pings INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE series (
  id     INTEGER PRIMARY KEY,
  key    TEXT NOT NULL UNIQUE,
  record TEXT NOT NULL -- JSON of store.SeriesRecord
);

-- Where each series stands: the head of its chain and the cursor of its track.
CREATE TABLE chain (
  series         INTEGER PRIMARY KEY REFERENCES series (id),
  head_num       INTEGER NOT NULL,
  head_hash      BLOB    NOT NULL CHECK (length(head_hash) = 32),
  cursor_bar     INTEGER NOT NULL,
  cursor_inputs  BLOB    NOT NULL CHECK (length(cursor_inputs) = 32),
  score_revision INTEGER NOT NULL
);

-- The latest revision of every bar, clustered so that a range is one scan.
CREATE TABLE bar (
  series   INTEGER NOT NULL,
  start    INTEGER NOT NULL, -- microseconds since 1970, as every time here
  end_     INTEGER NOT NULL CHECK (end_ > start),
  open     NOT NULL,
  high     NOT NULL,
  low      NOT NULL,
  close    NOT NULL,
  volume   NOT NULL,
  trades   INTEGER NOT NULL,
  revision INTEGER NOT NULL CHECK (revision >= 0),
  flags    INTEGER NOT NULL, -- 1 backfill, 2 after a gap
  seq      INTEGER NOT NULL, -- the event that brought it
  PRIMARY KEY (series, start)
) WITHOUT ROWID;

-- Revisions that a later one replaced.
CREATE TABLE bar_revision (
  seq      INTEGER PRIMARY KEY,
  series   INTEGER NOT NULL,
  start    INTEGER NOT NULL,
  end_     INTEGER NOT NULL,
  open     NOT NULL,
  high     NOT NULL,
  low      NOT NULL,
  close    NOT NULL,
  volume   NOT NULL,
  trades   INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  flags    INTEGER NOT NULL
);

-- The order in which everything was committed, over all series.
CREATE TABLE event (
  seq    INTEGER PRIMARY KEY,
  series INTEGER NOT NULL,
  kind   INTEGER NOT NULL,
  key    INTEGER NOT NULL
);
CREATE INDEX event_series ON event (series, seq) WHERE kind = 0;

-- Sealed entries. body is what was sealed and is never read to select by; the
-- other columns repeat what selecting and the laws need.
CREATE TABLE ledger (
  seq       INTEGER PRIMARY KEY, -- of the event
  series    INTEGER NOT NULL,
  num       INTEGER NOT NULL,    -- of the entry in its chain
  kind      INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
  mode      INTEGER NOT NULL CHECK (mode IN (1, 2)),
  time      INTEGER NOT NULL,    -- of the subject: cutoff, bar or at
  at        INTEGER NOT NULL,    -- issue time of an issue
  first_end INTEGER,             -- earliest end of a target of an issue
  hash      BLOB NOT NULL CHECK (length(hash) = 32),
  body      BLOB NOT NULL,
  CHECK ((kind = 1) = (num = 1)),
  CHECK (kind <> 2 OR time <= at),
  CHECK (kind <> 2 OR mode <> 1 OR first_end IS NULL OR at < first_end)
);
CREATE UNIQUE INDEX ledger_series ON ledger (series, num);
CREATE INDEX ledger_time ON ledger (series, kind, time);

CREATE TABLE score (
  series  INTEGER NOT NULL,
  model   TEXT    NOT NULL,
  horizon INTEGER NOT NULL,
  target  INTEGER NOT NULL,
  cutoff  INTEGER NOT NULL,
  version TEXT    NOT NULL,
  body    BLOB    NOT NULL,
  PRIMARY KEY (series, target, cutoff, model, horizon, version)
) WITHOUT ROWID;

CREATE TABLE quarantine (
  num        INTEGER PRIMARY KEY AUTOINCREMENT,
  digest     BLOB    NOT NULL UNIQUE, -- of source, line, raw and reason
  at         INTEGER NOT NULL,
  source     TEXT    NOT NULL,
  instrument TEXT    NOT NULL,
  line       INTEGER NOT NULL,
  raw        BLOB    NOT NULL,
  reason     TEXT    NOT NULL
);

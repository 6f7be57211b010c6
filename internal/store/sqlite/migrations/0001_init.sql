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

-- Where each series stands: the head of its chain, the cursor of its track, and the
-- newest places and scores, which are not filed yet (see bar_place, entry_place and
-- score). Commits of many series then touch few pages.
CREATE TABLE chain (
  series         INTEGER PRIMARY KEY REFERENCES series (id),
  head_num       INTEGER NOT NULL,
  head_hash      BLOB    NOT NULL CHECK (length(head_hash) = 32),
  cursor_bar     INTEGER NOT NULL,
  cursor_inputs  BLOB    NOT NULL CHECK (length(cursor_inputs) = 32),
  score_revision INTEGER NOT NULL,
  scored_to      INTEGER NOT NULL, -- the newest target that was scored
  recent         INTEGER NOT NULL, -- rows of score_recent that are not filed yet
  steps          INTEGER NOT NULL, -- rows ever put there
  bars           INTEGER NOT NULL, -- bars ever logged
  bar_tail       BLOB    NOT NULL, -- places, as in bar_place
  entry_tail     BLOB    NOT NULL  -- places, as in entry_place
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

-- The revision of a bar that was the newest at an event.
CREATE INDEX bar_revision_of ON bar_revision (series, start, seq);

-- Bars in the order in which they were committed. Entries of the ledger share the
-- numbers: together they are the events of the store.
CREATE TABLE event (
  seq    INTEGER PRIMARY KEY,
  series INTEGER NOT NULL,
  start  INTEGER NOT NULL
);

-- When events were committed: up to seq at at. One row a commit, each later than the one before.
CREATE TABLE clock (
  at  INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL
);

-- The events of one series' bars, 64 a row.
CREATE TABLE bar_place (
  series   INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  newest   INTEGER NOT NULL, -- the newest start among the bars of the series up to last_seq
  body     BLOB    NOT NULL, -- see places.go
  PRIMARY KEY (series, last_seq)
) WITHOUT ROWID;

-- Sealed entries in the order in which they were committed. body is what was sealed
-- and is never read to select by; the other columns repeat what selecting and the
-- laws need.
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

-- The entries of one series, 64 a row.
CREATE TABLE entry_place (
  series   INTEGER NOT NULL,
  last_num INTEGER NOT NULL,
  min_time INTEGER NOT NULL, -- of the subjects
  max_time INTEGER NOT NULL,
  kinds    INTEGER NOT NULL, -- bit k: an entry of kind k is among them
  body     BLOB    NOT NULL, -- see places.go
  PRIMARY KEY (series, last_num)
) WITHOUT ROWID;

-- Scores that are not filed yet: at most 32 rows a series, each what one step
-- brought. id is slot * 2^40 + series, so that what many series write in one commit
-- stands side by side; slots are used over and over.
CREATE TABLE score_recent (
  id   INTEGER PRIMARY KEY,
  body BLOB NOT NULL -- see segments.go
);

-- Filed scores. The targets of two rows of a series do not overlap.
CREATE TABLE score (
  id     INTEGER PRIMARY KEY, -- bodies are too large for a table without rowid
  series INTEGER NOT NULL,
  first  INTEGER NOT NULL, -- target
  body   BLOB    NOT NULL, -- see segments.go
  UNIQUE (series, first)
);

-- Candles of 1m, 5m, 15m, 1h and 1d of the bars of each series, for charts (see package
-- rollup). They stay when their bars are deleted.
CREATE TABLE rollup (
  series  INTEGER NOT NULL,
  minutes INTEGER NOT NULL, -- length
  start   INTEGER NOT NULL, -- minutes since 1970
  open    NOT NULL,
  high    NOT NULL,
  low     NOT NULL,
  close   NOT NULL,
  volume  NOT NULL,
  trades  INTEGER NOT NULL,
  PRIMARY KEY (series, minutes, start)
) WITHOUT ROWID;

-- How far the candles of each series are. The newest are not rows yet: so a bar of a
-- thousand series changes few pages. A series without a row has none of its bars in
-- candles; they are taken up a few at a time while Foretick runs.
CREATE TABLE rollup_state (
  series    INTEGER PRIMARY KEY,
  rolled_to INTEGER NOT NULL, -- start of the newest bar in the candles
  kept_from INTEGER NOT NULL, -- bars before it were deleted
  trimmed   INTEGER NOT NULL, -- highest event whose bar was deleted
  body      BLOB    NOT NULL  -- see rollup.Roll.Encode
);

-- Ticks, where they are kept. seq is the venue's own number, 0 where it gives none; n tells
-- those apart that have none at the same time, in the order of their arrival.
CREATE TABLE tick (
  series INTEGER NOT NULL,
  time   INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  price  NOT NULL,
  size   NOT NULL,
  PRIMARY KEY (series, time, seq, n)
) WITHOUT ROWID;

-- What sources said of splits and dividends, in the order in which they said it. Nothing is
-- overwritten: the newest record of an action (instrument, kind, day) stands.
CREATE TABLE action (
  num        INTEGER PRIMARY KEY,
  instrument TEXT    NOT NULL, -- key
  ex         INTEGER NOT NULL,
  kind       TEXT    NOT NULL CHECK (kind IN ('split', 'dividend')),
  value      REAL    NOT NULL CHECK (value > 0), -- ratio or amount
  source     TEXT    NOT NULL,
  at         INTEGER NOT NULL,
  after      INTEGER NOT NULL -- the last event when it was made
);
CREATE INDEX action_instrument ON action (instrument, num);

-- Bodies under names: what models have learnt, backtests.
CREATE TABLE document (
  id   INTEGER PRIMARY KEY, -- bodies are too large for a table without rowid
  kind TEXT    NOT NULL,
  name TEXT    NOT NULL,
  at   INTEGER NOT NULL,
  body BLOB    NOT NULL,
  UNIQUE (kind, name)
);

-- What could not be used, with its reason.
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

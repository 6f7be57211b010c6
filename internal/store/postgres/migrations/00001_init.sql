-- +goose Up
-- What this store is. epoch names it: event numbers of two epochs do not compare. owner is the
-- process that writes; a process that finds another owner has lost the right to.
CREATE TABLE meta (
  id         integer PRIMARY KEY CHECK (id = 1),
  epoch      text    NOT NULL,
  owner      text    NOT NULL DEFAULT '',
  last_event bigint  NOT NULL DEFAULT 0,
  pings      bigint  NOT NULL DEFAULT 0
);

CREATE TABLE series (
  id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key    text NOT NULL UNIQUE,
  record text NOT NULL -- JSON of store.SeriesRecord
);

-- Where each series stands: the head of its chain and the cursor of its track.
CREATE TABLE chain (
  series         integer PRIMARY KEY REFERENCES series (id),
  head_num       bigint NOT NULL DEFAULT 0,
  head_hash      bytea  NOT NULL CHECK (length(head_hash) = 32),
  cursor_bar     bigint NOT NULL DEFAULT 0,
  cursor_inputs  bytea  NOT NULL CHECK (length(cursor_inputs) = 32),
  score_revision bigint NOT NULL DEFAULT 0,
  scored_to      bigint NOT NULL -- the newest target that was scored
);

-- Tables that grow without end are partitioned: what a time is kept with, by that time; what only
-- has a number in the order of commits, by that. Partitions are made as data comes (partition.go).
-- Where TimescaleDB is installed, the tables are hypertables instead (timescale.go).

-- The latest revision of every bar. Times are microseconds since 1970, here as everywhere.
CREATE TABLE bar (
  series   integer NOT NULL,
  start    bigint  NOT NULL,
  end_     bigint  NOT NULL CHECK (end_ > start),
  open     double precision NOT NULL,
  high     double precision NOT NULL,
  low      double precision NOT NULL,
  close    double precision NOT NULL,
  volume   double precision NOT NULL,
  trades   bigint  NOT NULL,
  revision integer NOT NULL CHECK (revision >= 0),
  flags    integer NOT NULL, -- 1 backfill, 2 after a gap
  seq      bigint  NOT NULL, -- the event that brought it
  PRIMARY KEY (series, start)
) PARTITION BY RANGE (start);
CREATE INDEX bar_seq ON bar (series, seq);

-- Revisions that a later one replaced.
CREATE TABLE bar_revision (LIKE bar INCLUDING DEFAULTS, PRIMARY KEY (series, start, seq)) PARTITION BY RANGE (start);
CREATE INDEX bar_revision_seq ON bar_revision (series, seq);

-- Bars in the order in which they were committed. Entries of the ledger share the numbers:
-- together they are the events of the store.
CREATE TABLE event (
  seq    bigint  PRIMARY KEY,
  series integer NOT NULL,
  start  bigint  NOT NULL
) PARTITION BY RANGE (seq);

-- When events were committed: up to seq at at. One row a commit, each later than the one before.
CREATE TABLE clock (
  at  bigint PRIMARY KEY,
  seq bigint NOT NULL
) PARTITION BY RANGE (at);

-- Sealed entries. body is what was sealed; the other columns repeat what selecting and the laws
-- need. That (series, num) is unique is an index of each partition.
CREATE TABLE ledger (
  seq       bigint  PRIMARY KEY, -- of the event
  series    integer NOT NULL,
  num       bigint  NOT NULL,    -- of the entry in its chain
  kind      smallint NOT NULL CHECK (kind BETWEEN 1 AND 5),
  mode      smallint NOT NULL CHECK (mode IN (1, 2)),
  time      bigint  NOT NULL,    -- of the subject: cutoff, bar or at
  at        bigint  NOT NULL,    -- issue time of an issue
  first_end bigint,              -- earliest end of a target of an issue
  hash      bytea   NOT NULL CHECK (length(hash) = 32),
  body      bytea   NOT NULL,
  CHECK ((kind = 1) = (num = 1)),
  CHECK (kind <> 2 OR time <= at),
  CHECK (kind <> 2 OR mode <> 1 OR first_end IS NULL OR at < first_end)
) PARTITION BY RANGE (seq);
CREATE INDEX ledger_time ON ledger (series, time, num);

CREATE TABLE score (
  series     integer NOT NULL,
  target     bigint  NOT NULL,
  cutoff     bigint  NOT NULL,
  model      text COLLATE "C" NOT NULL,
  horizon    integer NOT NULL,
  version    text COLLATE "C" NOT NULL,
  revision   integer NOT NULL,
  late       boolean NOT NULL,
  regime     smallint NOT NULL,
  numbers    double precision[] NOT NULL, -- see scores.go
  PRIMARY KEY (series, target, cutoff, model, horizon, version)
) PARTITION BY RANGE (target);

-- Candles of 1m, 5m, 15m, 1h and 1d of the bars of each series, for charts (see package
-- rollup). They stay when their bars are deleted.
CREATE TABLE rollup (
  series  integer NOT NULL,
  minutes integer NOT NULL, -- length
  start   integer NOT NULL, -- minutes since 1970
  open    double precision NOT NULL,
  high    double precision NOT NULL,
  low     double precision NOT NULL,
  close   double precision NOT NULL,
  volume  double precision NOT NULL,
  trades  bigint  NOT NULL,
  PRIMARY KEY (series, minutes, start)
);

-- How far the candles of each series are. The newest are not rows yet: so a bar of a thousand
-- series writes few rows. A series without a row has none of its bars in candles; they are taken
-- up a few at a time while Foretick runs.
CREATE TABLE rollup_state (
  series    integer PRIMARY KEY,
  rolled_to bigint  NOT NULL, -- start of the newest bar in the candles
  kept_from bigint  NOT NULL, -- bars before it were deleted
  trimmed   bigint  NOT NULL, -- highest event whose bar was deleted
  body      bytea   NOT NULL  -- see rollup.Roll.Encode
);

-- Ticks, where they are kept. seq is the venue's own number, 0 where it gives none; n tells
-- those apart that have none at the same time, in the order of their arrival.
CREATE TABLE tick (
  series integer NOT NULL,
  time   bigint  NOT NULL,
  seq    bigint  NOT NULL,
  n      bigint  NOT NULL,
  price  double precision NOT NULL,
  size   double precision NOT NULL,
  PRIMARY KEY (series, time, seq, n)
) PARTITION BY RANGE (time);

-- What sources said of splits and dividends, in the order in which they said it. Nothing is
-- overwritten: the newest record of an action (instrument, kind, day) stands.
CREATE TABLE action (
  num        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  instrument text   COLLATE "C" NOT NULL, -- key
  ex         bigint NOT NULL,
  kind       text   NOT NULL CHECK (kind IN ('split', 'dividend')),
  value      double precision NOT NULL CHECK (value > 0), -- ratio or amount
  source     text   NOT NULL,
  at         bigint NOT NULL,
  after      bigint NOT NULL -- the last event when it was made
);
CREATE INDEX action_instrument ON action (instrument, num);

-- Bodies under names: what models have learnt, backtests, versions.
CREATE TABLE document (
  kind text   COLLATE "C" NOT NULL,
  name text   COLLATE "C" NOT NULL,
  at   bigint NOT NULL,
  body bytea  NOT NULL,
  PRIMARY KEY (kind, name)
);

-- What could not be used. Texts are bytes: they may hold what is no text.
CREATE TABLE quarantine (
  num        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  digest     bytea  NOT NULL UNIQUE, -- of source, line, raw and reason
  at         bigint NOT NULL,
  source     bytea  NOT NULL,
  instrument bytea  NOT NULL,
  line       bigint NOT NULL,
  raw        bytea  NOT NULL,
  reason     bytea  NOT NULL
);

-- When events were committed: up to seq at at. One row a commit, each later than the one before.
CREATE TABLE clock (
  at  INTEGER PRIMARY KEY,
  seq INTEGER NOT NULL
);

-- The revision of a bar that was the newest at an event.
CREATE INDEX bar_revision_of ON bar_revision (series, start, seq);

-- The newest start among the bars of the series up to last_seq, so that a read of what was known
-- then does not begin at what came since. NULL in rows that are older than this column.
ALTER TABLE bar_place ADD COLUMN newest INTEGER;

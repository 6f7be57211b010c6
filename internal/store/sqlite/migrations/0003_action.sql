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

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

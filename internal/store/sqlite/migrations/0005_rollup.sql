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


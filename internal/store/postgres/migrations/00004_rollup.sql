-- +goose Up
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


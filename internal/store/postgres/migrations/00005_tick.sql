-- +goose Up
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

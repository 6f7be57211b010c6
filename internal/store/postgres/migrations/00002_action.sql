-- +goose Up
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

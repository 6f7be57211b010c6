-- +goose Up
-- When events were committed: up to seq at at. One row a commit, each later than the one before.
CREATE TABLE clock (
  at  bigint PRIMARY KEY,
  seq bigint NOT NULL
);

-- The revision of a bar that was the newest at an event.
CREATE INDEX bar_revision_of ON bar_revision (series, start, seq);

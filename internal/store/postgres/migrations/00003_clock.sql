-- +goose Up
-- When events were committed: up to seq at at. One row a commit, each later than the one before.
CREATE TABLE clock (
  at  bigint PRIMARY KEY,
  seq bigint NOT NULL
) PARTITION BY RANGE (at);

-- Bodies under names: what models have learnt, backtests.
CREATE TABLE document (
  id   INTEGER PRIMARY KEY, -- bodies are too large for a table without rowid
  kind TEXT    NOT NULL,
  name TEXT    NOT NULL,
  at   INTEGER NOT NULL,
  body BLOB    NOT NULL,
  UNIQUE (kind, name)
);

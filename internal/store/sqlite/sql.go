package sqlite

// Every statement of the store; the schema is in migrations.
const (
	sqlBegin      = `BEGIN`
	sqlBeginWrite = `BEGIN IMMEDIATE`
	sqlCommit     = `COMMIT`
	sqlRollback   = `ROLLBACK`
	sqlCheckpoint = `PRAGMA wal_checkpoint(TRUNCATE)`

	sqlNewMeta = `INSERT INTO meta (id, epoch) VALUES (1, ?)`
	sqlEpoch   = `SELECT epoch FROM meta`
	sqlPing    = `UPDATE meta SET pings = pings + 1`

	sqlSeriesID  = `SELECT id FROM series WHERE key = ?`
	sqlSeries    = `SELECT key, record FROM series ORDER BY key`
	sqlGetSeries = `SELECT id, record FROM series WHERE key = ?`
	sqlAddSeries = `INSERT INTO series (key, record) VALUES (?, ?)`
	sqlSetSeries = `UPDATE series SET record = ? WHERE id = ?`

	sqlChain    = `SELECT head_num, head_hash, cursor_bar, cursor_inputs, score_revision FROM chain WHERE series = ?`
	sqlPutChain = `INSERT OR REPLACE INTO chain (series, head_num, head_hash, cursor_bar, cursor_inputs, score_revision) VALUES (?, ?, ?, ?, ?, ?)`

	barColumns = `start, end_, open, high, low, close, volume, trades, revision, flags, seq`
	sqlBarAt   = `SELECT ` + barColumns + ` FROM bar WHERE series = ? AND start = ?`
	sqlPutBar  = `INSERT OR REPLACE INTO bar (series, ` + barColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlOldBar  = `INSERT INTO bar_revision (series, ` + barColumns + `) SELECT series, ` + barColumns + ` FROM bar WHERE series = ? AND start = ?`
	sqlBars    = `SELECT ` + barColumns + ` FROM bar WHERE series = ? AND start >= ? AND start < ? ORDER BY start LIMIT ?`
	sqlBarsNew = `SELECT ` + barColumns + ` FROM bar WHERE series = ? AND start >= ? AND start < ? ORDER BY start DESC LIMIT ?`

	sqlBarLog       = `SELECT seq, series, key FROM event WHERE kind = 0 AND seq > ? ORDER BY seq LIMIT ?`
	sqlSeriesBarLog = `SELECT seq, series, key FROM event WHERE kind = 0 AND series = ? AND seq > ? ORDER BY seq LIMIT ?`
	sqlRevision     = `SELECT ` + barColumns + ` FROM bar_revision WHERE seq = ?`
	sqlSeriesKey    = `SELECT key FROM series WHERE id = ?`

	sqlAddEvent   = `INSERT INTO event (seq, series, kind, key) VALUES (?, ?, ?, ?)`
	sqlLastEvent  = `SELECT max(seq) FROM event`
	sqlFirstEvent = `SELECT min(seq) FROM event`
	sqlEvents     = `SELECT e.seq, s.key, e.kind, e.key FROM event e JOIN series s ON s.id = e.series WHERE e.seq > ? ORDER BY e.seq LIMIT ?`

	sqlAddEntry = `INSERT INTO ledger (seq, series, num, kind, mode, time, at, first_end, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	// Kinds are a bit mask: bit k for kind k.
	sqlEntries    = `SELECT num, kind, body, hash FROM ledger WHERE series = ? AND num >= ? AND num < ? AND (? >> kind) & 1 AND time >= ? AND time < ? ORDER BY num LIMIT ?`
	sqlEntriesNew = `SELECT num, kind, body, hash FROM ledger WHERE series = ? AND num >= ? AND num < ? AND (? >> kind) & 1 AND time >= ? AND time < ? ORDER BY num DESC LIMIT ?`

	sqlScoreAt  = `SELECT body FROM score WHERE series = ? AND target = ? AND cutoff = ? AND model = ? AND horizon = ? AND version = ?`
	sqlPutScore = `INSERT OR REPLACE INTO score (series, target, cutoff, model, horizon, version, body) VALUES (?, ?, ?, ?, ?, ?, ?)`
	sqlScores   = `SELECT target, cutoff, model, horizon, version, body FROM score WHERE series = ? AND target >= ? AND target < ? AND (? = '' OR model = ?) AND (? = 0 OR horizon = ?) ORDER BY target, cutoff, model, horizon, version`

	sqlAddReject   = `INSERT INTO quarantine (digest, at, source, instrument, line, raw, reason) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING`
	sqlRejects     = `SELECT num, at, source, instrument, line, raw, reason FROM quarantine WHERE num < ? ORDER BY num DESC LIMIT ?`
	sqlRejectCount = `SELECT count(*) FROM quarantine`
)

package sqlite

// Every statement of the store; the schema is in migrations.
const (
	sqlBegin      = `BEGIN`
	sqlBeginWrite = `BEGIN IMMEDIATE`
	sqlCommit     = `COMMIT`
	sqlRollback   = `ROLLBACK`
	sqlCheckpoint = `PRAGMA wal_checkpoint(PASSIVE)`
	sqlTruncate   = `PRAGMA wal_checkpoint(TRUNCATE)`

	sqlNewMeta = `INSERT INTO meta (id, epoch) VALUES (1, ?)`
	sqlEpoch   = `SELECT epoch FROM meta`
	sqlPing    = `UPDATE meta SET pings = pings + 1`

	sqlSeriesID  = `SELECT id FROM series WHERE key = ?`
	sqlRecord    = `SELECT record FROM series WHERE id = ?`
	sqlSeries    = `SELECT key, record FROM series ORDER BY key`
	sqlGetSeries = `SELECT id, record FROM series WHERE key = ?`
	sqlAddSeries = `INSERT INTO series (key, record) VALUES (?, ?)`
	sqlSetSeries = `UPDATE series SET record = ? WHERE id = ?`

	chainColumns = `head_num, head_hash, cursor_bar, cursor_inputs, score_revision, scored_to, recent, steps, bars, bar_tail, entry_tail`
	sqlChain     = `SELECT ` + chainColumns + ` FROM chain WHERE series = ?`
	sqlPutChain  = `INSERT OR REPLACE INTO chain (series, ` + chainColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	barColumns   = `start, end_, open, high, low, close, volume, trades, revision, flags, seq`
	sqlBarAt     = `SELECT ` + barColumns + ` FROM bar WHERE series = ? AND start = ?`
	sqlPutBar    = `INSERT OR REPLACE INTO bar (series, ` + barColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlOldBar    = `INSERT INTO bar_revision (series, ` + barColumns + `) SELECT series, ` + barColumns + ` FROM bar WHERE series = ? AND start = ?`
	sqlBars      = `SELECT ` + barColumns + ` FROM bar WHERE series = ? AND start >= ? AND start < ? ORDER BY start LIMIT ?`
	sqlLastStart = `SELECT max(start) FROM bar WHERE series = ?`
	sqlBarsNew   = `SELECT ` + barColumns + ` FROM bar WHERE series = ? AND start >= ? AND start < ? ORDER BY start DESC LIMIT ?`

	// Parameter 5 is the event as of which is asked. The newest revision of a bar is in
	// bar; where that one came later, the one of then is in bar_revision, if there is one.
	barsAsOf = `SELECT ` + barColumns + ` FROM bar WHERE series = ?1 AND start >= ?2 AND start < ?3 AND seq <= ?5
		UNION ALL SELECT ` + barColumns + ` FROM bar_revision r WHERE series = ?1 AND start >= ?2 AND start < ?3
		AND seq = (SELECT max(seq) FROM bar_revision WHERE series = ?1 AND start = r.start AND seq <= ?5)
		AND NOT EXISTS (SELECT 1 FROM bar WHERE series = ?1 AND start = r.start AND seq <= ?5) ORDER BY start`
	sqlBarsAsOf    = barsAsOf + ` LIMIT ?4`
	sqlBarsAsOfNew = barsAsOf + ` DESC LIMIT ?4`

	sqlCountBars = `SELECT count(*) FROM (SELECT 1 FROM bar WHERE series = ? AND start >= ? AND start < ? LIMIT ?)`
	sqlOldBars   = `SELECT start, seq, revision FROM bar WHERE series = ? AND start < ? ORDER BY start LIMIT ?`
	sqlDelBars   = `DELETE FROM bar WHERE series = ? AND start <= ?`
	sqlDelEvent  = `DELETE FROM event WHERE seq = ?`
	// The bars that replaced one another.
	sqlOldRevisions = `SELECT seq FROM bar_revision WHERE series = ? AND start <= ?`
	sqlDelRevisions = `DELETE FROM bar_revision WHERE series = ? AND start <= ?`
	sqlFirstPlaces  = `SELECT last_seq, body FROM bar_place WHERE series = ? ORDER BY last_seq LIMIT ?`
	sqlDelPlaces    = `DELETE FROM bar_place WHERE series = ? AND last_seq <= ?`

	sqlRoll         = `SELECT rolled_to, kept_from, trimmed, body FROM rollup_state WHERE series = ?`
	sqlPutRoll      = `INSERT OR REPLACE INTO rollup_state (series, rolled_to, kept_from, trimmed, body) VALUES (?, ?, ?, ?, ?)`
	sqlTrimmed      = `SELECT max(trimmed) FROM rollup_state`
	candleRange     = ` FROM rollup WHERE series = ? AND minutes = ? AND start >= ? AND start < ?`
	sqlCandles      = `SELECT start, open, high, low, close, volume, trades` + candleRange + ` ORDER BY start`
	sqlCountCandles = `SELECT count(*) FROM (SELECT 1` + candleRange + ` LIMIT ?)`
	sqlCandlesAfter = `SELECT minutes, start, open, high, low, close, volume, trades FROM rollup WHERE series = ? AND (minutes, start) > (?, ?) ORDER BY minutes, start LIMIT ?`
	sqlPutCandle    = `INSERT OR REPLACE INTO rollup (series, minutes, start, open, high, low, close, volume, trades) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`

	sqlBarLog      = `SELECT seq, series, start FROM event WHERE seq > ? ORDER BY seq LIMIT ?`
	sqlAddBarPlace = `INSERT INTO bar_place (series, last_seq, body, newest) VALUES (?, ?, ?, ?)`
	sqlBarPlaces   = `SELECT body FROM bar_place WHERE series = ? AND last_seq > ? ORDER BY last_seq`
	sqlNewestThen  = `SELECT newest FROM bar_place WHERE series = ? AND last_seq <= ? ORDER BY last_seq DESC LIMIT 1`
	sqlRevision    = `SELECT ` + barColumns + ` FROM bar_revision WHERE seq = ?`
	sqlSeriesKey   = `SELECT key FROM series WHERE id = ?`

	sqlStamp     = `INSERT INTO clock (at, seq) VALUES (?, ?)`
	sqlStamps    = `SELECT at, seq FROM clock WHERE at > ? ORDER BY at LIMIT ?`
	sqlLastStamp = `SELECT at, seq FROM clock ORDER BY at DESC LIMIT 1`
	sqlSeqAt     = `SELECT seq FROM clock WHERE at <= ? ORDER BY at DESC LIMIT 1`
	sqlClockFrom = `SELECT at FROM clock ORDER BY at LIMIT 1`

	sqlAddEvent    = `INSERT INTO event (seq, series, start) VALUES (?, ?, ?)`
	sqlLastEvent   = `SELECT max((SELECT ifnull(max(seq), 0) FROM event), (SELECT ifnull(max(seq), 0) FROM ledger))`
	sqlFirstBar    = `SELECT min(seq) FROM event`
	sqlFirstEntry  = `SELECT min(seq) FROM ledger`
	sqlBarEvents   = `SELECT seq, series, 0, start FROM event WHERE seq > ? ORDER BY seq LIMIT ?`
	sqlEntryEvents = `SELECT seq, series, kind, num FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?`

	sqlAddEntry       = `INSERT INTO ledger (seq, series, num, kind, mode, time, at, first_end, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlEntry          = `SELECT hash, body FROM ledger WHERE seq = ?`
	sqlAddEntryPlace  = `INSERT INTO entry_place (series, last_num, min_time, max_time, kinds, body) VALUES (?, ?, ?, ?, ?, ?)`
	entryPlaces       = `SELECT last_num, body FROM entry_place WHERE series = ? AND last_num >= ? AND last_num < ? AND max_time >= ? AND min_time < ? AND kinds & ? ORDER BY last_num`
	sqlEntryPlaces    = entryPlaces
	sqlEntryPlacesNew = entryPlaces + ` DESC`
	sqlEntryPlaceOf   = `SELECT last_num, body FROM entry_place WHERE series = ? AND last_num >= ? ORDER BY last_num LIMIT 1`

	sqlPutRecent = `INSERT OR REPLACE INTO score_recent (id, body) VALUES (?, ?)`
	sqlRecent    = `SELECT body FROM score_recent WHERE id = ?`
	sqlAddScores = `INSERT INTO score (series, first, body) VALUES (?, ?, ?)`
	sqlDelScores = `DELETE FROM score WHERE series = ? AND first = ?`
	sqlScores    = `SELECT body FROM score WHERE series = ? AND first >= ? AND first < ? ORDER BY first`
	// The row that a target belongs to starts at or before it.
	sqlScoresOf   = `SELECT max(first) FROM score WHERE series = ? AND first <= ?`
	sqlNextScores = `SELECT min(first) FROM score WHERE series = ? AND first > ?`
	sqlScoresAt   = `SELECT body FROM score WHERE series = ? AND first = ?`

	sqlPutReject   = `INSERT INTO quarantine (num, digest, at, source, instrument, line, raw, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	sqlAddReject   = `INSERT INTO quarantine (digest, at, source, instrument, line, raw, reason) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING`
	sqlRejects     = `SELECT num, at, source, instrument, line, raw, reason FROM quarantine WHERE num < ? ORDER BY num DESC LIMIT ?`
	sqlRejectCount = `SELECT count(*) FROM quarantine`

	actionColumns = `num, instrument, ex, kind, value, source, at, after`
	sqlPutAction  = `INSERT INTO action (num, instrument, ex, kind, value, source, at, after) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	sqlAddAction  = `INSERT INTO action (instrument, ex, kind, value, source, at, after) VALUES (?, ?, ?, ?, ?, ?, ?)`
	sqlActions    = `SELECT ` + actionColumns + ` FROM action WHERE instrument = ? ORDER BY num`
	sqlActionLog  = `SELECT ` + actionColumns + ` FROM action WHERE num > ? ORDER BY num LIMIT ?`

	sqlAddTick    = `INSERT INTO tick (series, time, seq, n, price, size) VALUES (?1, ?2, ?3, 0, ?4, ?5)`
	sqlAddOldTick = `INSERT INTO tick (series, time, seq, n, price, size) VALUES (?1, ?2, ?3,
		CASE WHEN ?3 = 0 THEN (SELECT ifnull(max(n) + 1, 0) FROM tick WHERE series = ?1 AND time = ?2 AND seq = 0) ELSE 0 END, ?4, ?5) ON CONFLICT DO NOTHING`
	sqlLastTick = `SELECT time, seq FROM tick WHERE series = ? ORDER BY time DESC, seq DESC LIMIT 1`
	sqlTicks    = `SELECT time, seq, n, price, size FROM tick WHERE series = ? AND (time, seq, n) > (?, ?, ?) AND time < ? ORDER BY time, seq, n LIMIT ?`
	sqlDelTicks = `DELETE FROM tick WHERE series = ? AND (time, seq, n) IN (SELECT time, seq, n FROM tick WHERE series = ? AND time < ? ORDER BY time, seq, n LIMIT ?)`

	sqlPutDocument = `INSERT INTO document (kind, name, at, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at, body = excluded.body`
	sqlDocument    = `SELECT at, body FROM document WHERE kind = ? AND name = ?`
	sqlDocuments   = `SELECT name, at, length(body) FROM document WHERE kind = ? ORDER BY at DESC, name`
	sqlKinds       = `SELECT DISTINCT kind FROM document ORDER BY kind`
	sqlDelDocument = `DELETE FROM document WHERE kind = ? AND name = ?`
)

package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// PutSeries registers a series or updates its description.
func (s *Store) PutSeries(ctx context.Context, rec store.SeriesRecord) error {
	op := "register series " + string(rec.ID())
	if err := rec.Validate(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return s.write(ctx, op, func(ctx context.Context, w *writer) error {
		var id int32
		var old string
		err := w.tx.QueryRow(ctx, "SELECT id, record FROM series WHERE key = $1", string(rec.ID())).Scan(&id, &old)
		switch {
		case err == nil && old == string(text):
			return nil
		case err == nil:
			w.wrote = true
			_, err = w.tx.Exec(ctx, "UPDATE series SET record = $2 WHERE id = $1", id, string(text))
			return err
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		w.wrote = true
		var none [32]byte
		_, err = w.tx.Exec(ctx, "WITH s AS (INSERT INTO series (key, record) VALUES ($1, $2) RETURNING id) INSERT INTO chain (series, head_hash, cursor_inputs, scored_to) SELECT id, $3, $3, $4 FROM s",
			string(rec.ID()), string(text), none[:], int64(math.MinInt64))
		return err
	})
}

// Series lists all series by ID.
func (s *Store) Series(ctx context.Context) (list []store.SeriesRecord, err error) {
	err = s.read(ctx, "list series", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT key, record FROM series ORDER BY key COLLATE "C"`)
		if err != nil {
			return err
		}
		var key, text string
		_, err = pgx.ForEachRow(rows, []any{&key, &text}, func() error {
			var rec store.SeriesRecord
			if err := json.Unmarshal([]byte(text), &rec); err != nil {
				return fmt.Errorf("%w: record of %s: %w", store.ErrCorrupt, key, err)
			}
			list = append(list, rec)
			return nil
		})
		return err
	})
	return list, err
}

// Ping commits a small write. It waits no longer than ctx allows.
func (s *Store) Ping(ctx context.Context) error {
	run := func(ctx context.Context, w *writer) error {
		w.wrote = true
		_, err := w.tx.Exec(ctx, "UPDATE meta SET pings = pings + 1 WHERE id = 1")
		return err
	}
	return s.hand(ctx, "check that it can be written to", &request{run: run, probe: true, done: make(chan error, 1)})
}

// LastEvent is the number of the newest event, 0 when there is none.
func (s *Store) LastEvent(ctx context.Context) (n uint64, err error) {
	err = s.read(ctx, "read the last event", func(tx pgx.Tx) error {
		var v int64
		err := tx.QueryRow(ctx, "SELECT last_event FROM meta WHERE id = 1").Scan(&v)
		n = uint64(v)
		return err
	})
	return n, err
}

// FirstEvent is the number from which on every event is kept, 0 when there is none.
func (s *Store) FirstEvent(ctx context.Context) (n uint64, err error) {
	err = s.read(ctx, "read the first event", func(tx pgx.Tx) error {
		var v *int64
		err := tx.QueryRow(ctx, "SELECT greatest(oldest, (SELECT max(trimmed) + 1 FROM rollup_state WHERE oldest IS NOT NULL)) FROM (SELECT least((SELECT min(seq) FROM event), (SELECT min(seq) FROM ledger)) AS oldest) e").Scan(&v)
		if v != nil {
			n = uint64(*v)
		}
		return err
	})
	return n, err
}

// EventsAfter returns up to limit events with Seq > after, ascending.
func (s *Store) EventsAfter(ctx context.Context, after uint64, limit int) (events []store.Event, err error) {
	if after > math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read events", func(tx pgx.Tx) error {
		names, err := seriesNames(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, "(SELECT seq, series, 0::smallint, start FROM event WHERE seq > $1 ORDER BY seq LIMIT $2) UNION ALL (SELECT seq, series, kind, num FROM ledger WHERE seq > $1 ORDER BY seq LIMIT $2) ORDER BY seq LIMIT $2", int64(after), limit)
		if err != nil {
			return err
		}
		var seq, at int64
		var series int32
		var kind int16
		_, err = pgx.ForEachRow(rows, []any{&seq, &series, &kind, &at}, func() error {
			e := store.Event{Seq: uint64(seq), Series: names[series], Kind: store.BarEvent, Key: at}
			if kind != 0 {
				e.Kind = store.EntryEvent + store.EventKind(kind)
			}
			events = append(events, e)
			return nil
		})
		return err
	})
	return events, err
}

// Quarantine keeps rejects. A reject that is known already is kept once.
func (s *Store) Quarantine(ctx context.Context, at time.Time, rejects []feed.Reject) error {
	if len(rejects) == 0 {
		return ctx.Err()
	}
	return s.write(ctx, "quarantine rejects of "+rejects[0].Source, func(ctx context.Context, w *writer) error {
		w.wrote = true
		var b pgx.Batch
		for i := range rejects {
			r := &rejects[i]
			digest := rejectDigest(r)
			b.Queue("INSERT INTO quarantine (digest, at, source, instrument, line, raw, reason) SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT FROM quarantine WHERE digest = $1)",
				digest[:16], int64(market.TimeOf(at)), []byte(r.Source), []byte(r.Instrument), int64(r.Line), []byte(r.Raw), []byte(r.Reason))
		}
		return w.tx.SendBatch(ctx, &b).Close()
	})
}

// rejectDigest identifies a reject by source, line, raw and reason.
func rejectDigest(r *feed.Reject) [sha256.Size]byte {
	var b []byte
	for _, s := range [...]string{r.Source, r.Raw, r.Reason} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(binary.BigEndian.AppendUint64(b, uint64(r.Line)))
}

// Quarantined lists rejects, newest first, with number < before (0: newest).
func (s *Store) Quarantined(ctx context.Context, before uint64, limit int) (list []store.QuarantineRecord, err error) {
	if before == 0 || before > math.MaxInt64 {
		before = math.MaxInt64
	}
	if limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read the quarantine", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT num, at, source, instrument, line, raw, reason FROM quarantine WHERE num < $1 ORDER BY num DESC LIMIT $2", int64(before), limit)
		if err != nil {
			return err
		}
		var num, at, line int64
		var source, instrument, raw, reason []byte
		_, err = pgx.ForEachRow(rows, []any{&num, &at, &source, &instrument, &line, &raw, &reason}, func() error {
			list = append(list, store.QuarantineRecord{Num: uint64(num), At: market.Time(at),
				Reject: feed.Reject{Source: string(source), Instrument: string(instrument), Line: int(line), Raw: string(raw), Reason: string(reason)}})
			return nil
		})
		return err
	})
	return list, err
}

// QuarantineCount is the number of rejects kept.
func (s *Store) QuarantineCount(ctx context.Context) (n int, err error) {
	err = s.read(ctx, "count the quarantine", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "SELECT count(*) FROM quarantine").Scan(&n)
	})
	return n, err
}

// PutDocuments keeps documents. See store.DocumentStore.
func (s *Store) PutDocuments(ctx context.Context, docs ...store.Document) error {
	if len(docs) == 0 {
		return ctx.Err()
	}
	for i := range docs {
		if docs[i].Kind == "" || docs[i].Name == "" {
			return errors.New("postgres: a document needs a kind and a name")
		}
	}
	return s.write(ctx, fmt.Sprintf("keep %s %s", docs[0].Kind, docs[0].Name), func(ctx context.Context, w *writer) error {
		w.wrote = true
		for i := range docs {
			d := &docs[i]
			body := d.Body
			if body == nil {
				body = []byte{}
			}
			if _, err := w.tx.Exec(ctx, "INSERT INTO document (kind, name, at, body) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, name) DO UPDATE SET at = excluded.at, body = excluded.body", d.Kind, d.Name, int64(d.At), body); err != nil {
				return err
			}
		}
		return nil
	})
}

// Document returns a document. See store.DocumentStore.
func (s *Store) Document(ctx context.Context, kind, name string) (d store.Document, err error) {
	op := fmt.Sprintf("read %s %s", kind, name)
	err = s.read(ctx, op, func(tx pgx.Tx) error {
		var at int64
		d = store.Document{Kind: kind, Name: name}
		err := tx.QueryRow(ctx, "SELECT at, body FROM document WHERE kind = $1 AND name = $2", kind, name).Scan(&at, &d.Body)
		d.At = market.Time(at)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNotFound
		}
		return err
	})
	return d, err
}

// Documents lists the documents of a kind. See store.DocumentStore.
func (s *Store) Documents(ctx context.Context, kind string) (list []store.DocumentRecord, err error) {
	err = s.read(ctx, "list "+kind, func(tx pgx.Tx) error {
		list = nil
		rows, err := tx.Query(ctx, "SELECT name, at, length(body) FROM document WHERE kind = $1 ORDER BY at DESC, name", kind)
		if err != nil {
			return err
		}
		var name string
		var at int64
		var size int
		_, err = pgx.ForEachRow(rows, []any{&name, &at, &size}, func() error {
			list = append(list, store.DocumentRecord{Name: name, At: market.Time(at), Size: size})
			return nil
		})
		return err
	})
	return list, err
}

// DeleteDocument forgets a document. See store.DocumentStore.
func (s *Store) DeleteDocument(ctx context.Context, kind, name string) error {
	return s.write(ctx, fmt.Sprintf("delete %s %s", kind, name), func(ctx context.Context, w *writer) error {
		w.wrote = true
		_, err := w.tx.Exec(ctx, "DELETE FROM document WHERE kind = $1 AND name = $2", kind, name)
		return err
	})
}

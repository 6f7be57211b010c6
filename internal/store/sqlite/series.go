package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"zombiezen.com/go/sqlite"

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
	return s.write(ctx, op, func(w *writer) error {
		var id int64
		var old string
		err := each(w.conn, sqlGetSeries, func(r *sqlite.Stmt) bool {
			id, old = r.ColumnInt64(0), r.ColumnText(1)
			return true
		}, string(rec.ID()))
		switch {
		case err != nil || old == string(text):
			return err
		case id == 0:
			w.wrote = true
			return exec(w.conn, sqlAddSeries, string(rec.ID()), string(text))
		default:
			w.wrote = true
			return exec(w.conn, sqlSetSeries, string(text), id)
		}
	})
}

// Series lists all series by ID.
func (s *Store) Series(ctx context.Context) (list []store.SeriesRecord, err error) {
	err = s.read(ctx, "list series", func(conn *conn) error {
		var bad error
		err := each(conn, sqlSeries, func(r *sqlite.Stmt) bool {
			var rec store.SeriesRecord
			if err := json.Unmarshal([]byte(r.ColumnText(1)), &rec); err != nil {
				bad = fmt.Errorf("%w: record of %s: %w", store.ErrCorrupt, r.ColumnText(0), err)
				return false
			}
			list = append(list, rec)
			return true
		})
		if err == nil {
			err = bad
		}
		return err
	})
	return list, err
}

// seriesID finds the number of a series, 0 when it is not registered.
func seriesID(conn *conn, key market.SeriesID) (id int64, err error) {
	err = each(conn, sqlSeriesID, func(r *sqlite.Stmt) bool { id = r.ColumnInt64(0); return true }, string(key))
	return id, err
}

// Ping commits a small write.
func (s *Store) Ping(ctx context.Context) error {
	return s.write(ctx, "check that "+s.dir+" can be written to", func(w *writer) error {
		w.wrote = true
		return exec(w.conn, sqlPing)
	})
}

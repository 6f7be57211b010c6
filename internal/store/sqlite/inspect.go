package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/score"
)

// Inspect describes the database in the folder dir, whatever the version of its schema,
// beside the process that may be writing to it. Of a schema that this program does not
// know, what cannot be counted is 0. The error wraps store.ErrNotFound when there is no
// database, and store.ErrCorrupt when it is not one of Foretick's.
func Inspect(ctx context.Context, dir string) (store.Info, error) {
	return current.inspect(ctx, dir)
}

func (s schema) inspect(ctx context.Context, dir string) (info store.Info, err error) {
	path := filepath.Join(dir, File)
	info = store.Info{Kind: "sqlite", Place: path, Newest: s.newest()}
	for _, suffix := range []string{"", "-wal"} {
		fi, err := os.Stat(path + suffix)
		if err == nil {
			info.Bytes += fi.Size()
		} else if suffix == "" {
			return info, fmt.Errorf("%w: %w", store.ErrNotFound, err)
		}
	}
	at := &Store{dir: dir}
	db, err := connect(path, readerCache)
	if err != nil {
		return info, at.wrap("open "+path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetInterrupt(ctx.Done())
	if err := snapshot(db, func(*conn) error { return inspect(db, &info) }); err != nil {
		return info, at.wrap("look at "+path, err)
	}
	return info, nil
}

func inspect(conn *conn, info *store.Info) error {
	var err error
	if info.Version, err = versionOf(conn); err != nil {
		return err
	}
	if info.Version == 0 {
		return fmt.Errorf("%w: it is empty", store.ErrNotFound)
	}
	err = each(conn, "SELECT 'SQLite ' || sqlite_version(), epoch FROM meta", func(r *sqlite.Stmt) bool {
		info.Engine, info.Epoch = r.ColumnText(0), r.ColumnText(1)
		return true
	})
	if err != nil {
		return err
	}
	tables := map[string]bool{}
	if err := each(conn, "SELECT name FROM sqlite_schema WHERE type = 'table'", func(r *sqlite.Stmt) bool {
		tables[r.ColumnText(0)] = true
		return true
	}); err != nil {
		return err
	}
	c := &info.Counts
	for _, t := range []struct {
		table string
		n     *int64
	}{
		{"series", &c.Series}, {"bar", &c.Bars}, {"bar_revision", &c.Revisions}, {"ledger", &c.Entries},
		{"document", &c.Documents}, {"quarantine", &c.Rejects}, {"action", &c.Actions},
	} {
		if !tables[t.table] {
			continue
		}
		n, err := number(conn, "SELECT count(*) FROM "+t.table)
		if err != nil {
			return err
		}
		*t.n = int64(n)
	}
	if info.Version > info.Newest {
		return nil
	}
	if info.LastEvent, err = lastEvent(conn); err != nil {
		return err
	}
	c.Scores, err = countScores(conn)
	return err
}

// countScores counts all scores, filed and recent.
func countScores(conn *conn) (n int64, err error) {
	var r segmentReader
	var bad error
	count := func(*score.Score) bool { n++; return true }
	var buf []byte
	err = each(conn, "SELECT body FROM score", func(row *sqlite.Stmt) bool {
		buf = column(row, 0, buf)
		bad = joinFirst(eachPart(buf, func(segment []byte) bool {
			bad = r.each(segment, count)
			return bad == nil
		}), bad)
		return bad == nil
	})
	if err := joinFirst(err, bad); err != nil {
		return n, err
	}
	var ids []int64
	if err := each(conn, "SELECT series FROM chain ORDER BY series", func(row *sqlite.Stmt) bool {
		ids = append(ids, row.ColumnInt64(0))
		return true
	}); err != nil {
		return n, err
	}
	for _, id := range ids {
		c, err := readChain(conn, id)
		for k := c.steps - c.recent; k < c.steps && err == nil; k++ {
			err = each(conn, sqlRecent, func(row *sqlite.Stmt) bool {
				buf = column(row, 0, buf)
				bad = r.each(buf, count)
				return bad == nil
			}, recentID(id, k))
			err = joinFirst(err, bad)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

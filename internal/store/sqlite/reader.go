package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
)

// OpenReader opens the store in the folder dir for reading only, beside the process
// that may be writing to it: it takes no lock and changes no schema. Its writes fail
// with store.ErrReadOnly. The error wraps store.ErrNotFound when there is no
// database, and otherwise as for Open.
func OpenReader(ctx context.Context, dir string, opt Options) (*Store, error) {
	path := filepath.Join(dir, File)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	s := &Store{dir: dir, readOnly: true, requests: make(chan *request), stopped: make(chan struct{})}
	if opt.Readers < 1 {
		opt.Readers = 1
	}
	var err error
	if s.pool, err = newPool(path, opt.Readers); err != nil {
		return nil, s.wrap("open "+path, err)
	}
	go s.waitForClose()
	err = s.read(ctx, "open "+path, func(conn *conn) error {
		if err := opt.tables().check(conn); err != nil {
			return err
		}
		return each(conn, sqlEpoch, func(r *sqlite.Stmt) bool { s.epoch = r.ColumnText(0); return true })
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// waitForClose stands in for the writer of a store that has none.
func (s *Store) waitForClose() {
	defer close(s.stopped)
	for range s.requests { // nothing is ever handed over
	}
	s.closeErr = s.wrap("close", s.pool.close())
}

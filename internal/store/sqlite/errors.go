package sqlite

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
)

var errClosed = fmt.Errorf("%w: the store is closed", store.ErrReadOnly)

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// wrap gives err the operation and the sentinel of package store that it means,
// with advice for the person who reads it.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{
		store.ErrNotFound, store.ErrConflict, store.ErrFull, store.ErrReadOnly, store.ErrLocked, store.ErrCorrupt, store.ErrTooEarly,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	code := sqlite.ErrCode(err)
	if code == sqlite.ResultIOErrWrite || code == sqlite.ResultIOErrSHMSize {
		// The system's own reason is lost on the way; a quota or a limit on the
		// size of a file ends here.
		code = sqlite.ResultFull
	}
	switch code.ToPrimary() {
	case sqlite.ResultFull:
		return fmt.Errorf("%s: %w: %w; nothing was kept; free some space on the disk of %s", op, store.ErrFull, err, s.dir)
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultCantOpen, sqlite.ResultIOErr:
		return fmt.Errorf("%s: %w: %w; check the rights and the disk of %s", op, store.ErrReadOnly, err, s.dir)
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return fmt.Errorf("%s: %w: %w; stop Foretick, keep a copy of %s and restore a backup, or start with an empty folder", op, store.ErrCorrupt, err, s.dir)
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return fmt.Errorf("%s: %w: %w; another program has the database in %s open", op, store.ErrLocked, err, s.dir)
	}
	return fmt.Errorf("%s: %w", op, err)
}

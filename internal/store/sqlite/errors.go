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

// errForeign says that the file is not Foretick's.
var errForeign = fmt.Errorf("%w: it is a database of another program; choose another folder with --data", store.ErrCorrupt)

// damaged is an error about data that is damaged, with advice.
type damaged struct {
	err error // wraps store.ErrCorrupt
	dir string
}

func (d *damaged) Error() string {
	return fmt.Sprintf("%v; stop Foretick and keep a copy of %s; foretick db check tells what is damaged, foretick restore puts a backup in its place", d.err, d.dir)
}

func (d *damaged) Unwrap() error { return d.err }

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// wrap gives err the operation and the sentinel of package store that it means,
// with advice for the person who reads it.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var told *damaged
	if errors.Is(err, store.ErrCorrupt) && !errors.Is(err, errForeign) && !errors.As(err, &told) {
		return &damaged{fmt.Errorf("%s: %w", op, err), s.dir}
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
		return &damaged{fmt.Errorf("%s: %w: %w", op, store.ErrCorrupt, err), s.dir}
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return fmt.Errorf("%s: %w: %w; another program has the database in %s open", op, store.ErrLocked, err, s.dir)
	}
	return fmt.Errorf("%s: %w", op, err)
}

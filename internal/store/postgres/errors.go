package postgres

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/foretick/foretick/internal/store"
)

var errClosed = fmt.Errorf("%w: it is closed", store.ErrReadOnly)

// kinds are the errors of package store by the codes of PostgreSQL (appendix A of its manual).
var kinds = map[string]error{
	"53100": store.ErrFull,     // disk_full
	"25006": store.ErrReadOnly, // read_only_sql_transaction
	"42501": store.ErrReadOnly, // insufficient_privilege
	"XX001": store.ErrCorrupt,  // data_corrupted
	"XX002": store.ErrCorrupt,  // index_corrupted
}

// wrap says what was being done, where, and what kind of error it is.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		if kind := kinds[pg.Code]; kind != nil {
			return fmt.Errorf("%s: %s: %w: %w", s.name, op, kind, err)
		}
	}
	var c *pgconn.ConnectError
	if errors.As(err, &c) { // its text names the user, and the host over and over
		return fmt.Errorf("%s: %s: cannot connect: %s", s.name, op, last(c.Error()))
	}
	return fmt.Errorf("%s: %s: %w", s.name, op, err)
}

// last is what an error ends with.
func last(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 && strings.Contains(text[:i], ": ") {
		j := strings.LastIndex(text[:i], ": ")
		return text[j+2:]
	}
	return text
}

// broken reports whether err means that the connection is of no use any more.
func broken(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P")
	}
	return err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound)
}

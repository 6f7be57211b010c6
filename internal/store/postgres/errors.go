package postgres

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/foretick/foretick/internal/store"
)

var errClosed = fmt.Errorf("%w: it is closed", store.ErrReadOnly)

// kinds are the errors of package store by the codes of PostgreSQL (appendix A of its manual), with
// what to do where that is known.
var kinds = map[string]struct {
	kind error
	todo string
}{
	"53100": {store.ErrFull, "; nothing was kept; free some space on the server's disk"},                                                                    // disk_full
	"25006": {store.ErrReadOnly, "; the server is a standby or was made read-only: name the primary, or all servers with ?target_session_attrs=read-write"}, // read_only_sql_transaction
	"42501": {store.ErrReadOnly, "; the role needs to own the schema, or CREATE and USAGE on it"},                                                           // insufficient_privilege
	"XX001": {store.ErrCorrupt, ""},                                                                                                                         // data_corrupted
	"XX002": {store.ErrCorrupt, ""},                                                                                                                         // index_corrupted
	"22021": {store.ErrNotFound, ""},                                                                                                                        // character_not_in_repertoire: no name that is stored has it
	"55P03": {nil, "; another session holds a lock: pg_stat_activity and pg_locks show which"},                                                              // lock_not_available
	"53300": {nil, "; the server or the role has no connection left: raise its limit"},                                                                      // too_many_connections
}

// codeOf is the code of an error of the server, empty when it is none.
func codeOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// wrap says what was being done, where, and what kind of error it is.
func (s *Store) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	k := kinds[codeOf(err)]
	if k.kind == nil && outgrown(err) {
		k = kinds["53100"]
	}
	var c *pgconn.ConnectError
	switch {
	case k.kind != nil:
		return fmt.Errorf("%s: %s: %w: %w%s", s.name, op, k.kind, err, k.todo)
	case k.todo != "":
		return fmt.Errorf("%s: %s: %w%s", s.name, op, err, k.todo)
	case errors.As(err, &c): // its text names the user, and the host over and over
		return fmt.Errorf("%s: %s: cannot connect: %s", s.name, op, last(c.Error()))
	}
	return fmt.Errorf("%s: %s: %w", s.name, op, err)
}

// outgrown reports whether the file system refuses to let a file grow, for which PostgreSQL has no
// code but that of an internal error.
func outgrown(err error) bool {
	return codeOf(err) == "XX000" && (strings.Contains(err.Error(), syscall.EFBIG.Error()) || strings.Contains(err.Error(), syscall.EDQUOT.Error()) ||
		strings.Contains(err.Error(), "File too large") || strings.Contains(err.Error(), "Disk quota exceeded"))
}

// exhausted reports whether the server has no connection to give.
func exhausted(err error) bool { return codeOf(err) == "53300" }

// again reports whether a transaction failed only because others ran at the same time.
func again(err error) bool {
	code := codeOf(err)
	return code == "40001" || code == "40P01" // serialization_failure, deadlock_detected
}

// ofAll reports whether the other requests of a transaction would fail as this one did.
func ofAll(err error) bool {
	switch codeOf(err) {
	case "55P03", "57014", "25006", "40001", "40P01": // lock_not_available, query_canceled
		return true
	}
	return errors.Is(err, store.ErrLocked)
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

package sqlite

import (
	"context"
	"errors"
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// pool holds the connections of the readers.
type pool struct {
	free chan *sqlite.Conn // capacity: all of them
	n    int
	once sync.Once
	done chan struct{}
}

func newPool(path string, n int) (*pool, error) {
	p := &pool{free: make(chan *sqlite.Conn, n), done: make(chan struct{})}
	for ; p.n < n; p.n++ {
		conn, err := connect(path)
		if err == nil {
			err = sqlitex.ExecuteTransient(conn, "PRAGMA query_only=ON", nil)
			p.free <- conn
			if err == nil {
				continue
			}
			p.n++
		}
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// close waits for the reads that run and closes every connection.
func (p *pool) close() (err error) {
	p.once.Do(func() {
		close(p.done)
		for range p.n {
			err = errors.Join(err, (<-p.free).Close())
		}
	})
	return err
}

// read runs f on a connection of its own, in one read transaction: f sees one
// state, whatever is committed meanwhile. It stops when ctx is done.
func (s *Store) read(ctx context.Context, op string, f func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return s.wrap(op, err)
	}
	var conn *sqlite.Conn
	select {
	case <-s.pool.done:
		return s.wrap(op, errClosed)
	default:
	}
	select {
	case <-s.pool.done:
		return s.wrap(op, errClosed)
	case <-ctx.Done():
		return s.wrap(op, ctx.Err())
	case conn = <-s.pool.free:
	}
	if done := ctx.Done(); done != nil {
		conn.SetInterrupt(done)
	}
	err := snapshot(conn, f)
	conn.SetInterrupt(nil)
	if !conn.AutocommitEnabled() { // interrupted: COMMIT did not run
		err = errors.Join(err, exec(conn, sqlRollback))
	}
	s.pool.free <- conn
	if sqlite.ErrCode(err) == sqlite.ResultInterrupt && ctx.Err() != nil {
		err = ctx.Err()
	}
	return s.wrap(op, err)
}

func snapshot(conn *sqlite.Conn, f func(*sqlite.Conn) error) error {
	if err := exec(conn, sqlBegin); err != nil {
		return err
	}
	if err := f(conn); err != nil {
		return errors.Join(err, exec(conn, sqlRollback))
	}
	return exec(conn, sqlCommit)
}

// exec runs a prepared statement without results. Statements are prepared once a
// connection.
func exec(conn *sqlite.Conn, query string, args ...any) error {
	return each(conn, query, nil, args...)
}

// each runs a prepared statement and calls row for each row until it returns
// false.
func each(conn *sqlite.Conn, query string, row func(*sqlite.Stmt) bool, args ...any) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	for i, a := range args {
		switch a := a.(type) {
		case int64:
			stmt.BindInt64(i+1, a)
		case int:
			stmt.BindInt64(i+1, int64(a))
		case string:
			stmt.BindText(i+1, a)
		case []byte:
			stmt.BindBytes(i+1, a)
		default:
			panic("sqlite: unknown type of argument")
		}
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		if row != nil && !row(stmt) {
			return stmt.Reset()
		}
	}
}

// run steps a bound statement that yields no rows and makes it ready again.
func run(stmt *sqlite.Stmt) error {
	if _, err := stmt.Step(); err != nil {
		return err
	}
	return stmt.Reset()
}

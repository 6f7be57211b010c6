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
	free chan *conn // capacity: all of them
	n    int
	once sync.Once
	done chan struct{}
}

func newPool(path string, n int) (*pool, error) {
	p := &pool{free: make(chan *conn, n), done: make(chan struct{})}
	for ; p.n < n; p.n++ {
		conn, err := connect(path, readerCache)
		if err == nil {
			err = sqlitex.ExecuteTransient(conn.Conn, "PRAGMA query_only=ON", nil)
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
func (s *Store) read(ctx context.Context, op string, f func(*conn) error) error {
	if err := ctx.Err(); err != nil {
		return s.wrap(op, err)
	}
	var conn *conn
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

func snapshot(conn *conn, f func(*conn) error) error {
	if err := exec(conn, sqlBegin); err != nil {
		return err
	}
	if err := f(conn); err != nil {
		return errors.Join(err, exec(conn, sqlRollback))
	}
	return exec(conn, sqlCommit)
}

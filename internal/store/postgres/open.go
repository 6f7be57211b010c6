// Package postgres keeps everything in a PostgreSQL database.
//
// One goroutine writes, as in package sqlite: it gathers the requests that wait, runs them in one
// transaction and answers them when it has committed. Bars, entries and scores of a transaction go
// in by COPY. Readers use a pool of connections and see the state between two transactions.
//
// One process writes at a time. It holds a session lock, and each of its transactions checks
// that the database still names it as the owner: a process that was cut off and comes back
// after another took over finds that it may not write any more.
package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/foretick/foretick/internal/store"
)

// lockKey names the lock of the writing process.
const lockKey = 0x666f726574696b // "foretik"

// Options tune a store. The zero value is what to use.
type Options struct {
	// Readers is the number of connections for reading; 0 means 8.
	Readers int
	// ReadOnly opens the store for reading, beside a process that writes to it.
	ReadOnly bool
	// Now is the clock by which commits are noted; nil means the machine's.
	Now func() time.Time
}

// Store is a store.Store on PostgreSQL. It may be used from several goroutines at once.
type Store struct {
	name  string // of the database, without secrets
	epoch string
	pool  *pgxpool.Pool
	w     *writer

	readOnly bool

	gate     sync.RWMutex // held for reading while a request is handed over
	closed   bool
	requests chan *request
	stopped  chan struct{} // closed when the writer has ended
	halt     context.CancelFunc
}

var _ store.Store = (*Store)(nil)

// openLimit is how long connecting may take.
const openLimit = 15 * time.Second

// Open opens the store at address, a URL such as postgres://user@host/database, and brings its
// schema up to date. The error wraps store.ErrLocked when another process writes to it, and
// store.ErrCorrupt when the schema was written by a newer version. No error holds the password.
func Open(ctx context.Context, address string, opt Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("postgres: the address cannot be read; write postgres://user:password@host:5432/database")
	}
	if opt.Readers < 1 {
		opt.Readers = 8
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	cfg.MaxConns = int32(opt.Readers)
	cfg.ConnConfig.ConnectTimeout = openLimit
	cfg.ConnConfig.RuntimeParams["application_name"] = "foretick"
	s := &Store{name: nameOf(cfg.ConnConfig), readOnly: opt.ReadOnly, requests: make(chan *request, maxGroup), stopped: make(chan struct{})}
	if !opt.ReadOnly {
		if err := migrate(ctx, cfg.ConnConfig.Copy(), opt.Now); err != nil {
			return nil, s.wrap("bring the schema up to date", err)
		}
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, s.wrap("connect", err)
	}
	if err := s.open(ctx, cfg.ConnConfig, opt.Now); err != nil {
		s.pool.Close()
		return nil, s.wrap("open", err)
	}
	return s, nil
}

// nameOf is a database without its secrets.
func nameOf(c *pgx.ConnConfig) string {
	u := url.URL{Scheme: "postgres", Host: c.Host, Path: "/" + c.Database}
	if c.Port != 5432 && c.Port != 0 {
		u.Host = fmt.Sprintf("%s:%d", c.Host, c.Port)
	}
	return u.String()
}

func (s *Store) open(ctx context.Context, cfg *pgx.ConnConfig, now func() time.Time) error {
	owner := rand.Text()
	if s.readOnly {
		close(s.stopped)
		return s.pool.QueryRow(ctx, "SELECT epoch FROM meta WHERE id = 1").Scan(&s.epoch)
	}
	running, halt := context.WithCancel(context.WithoutCancel(ctx))
	s.halt = halt
	s.w = &writer{cfg: cfg.Copy(), owner: owner, now: now}
	if err := s.w.connect(ctx, true); err != nil {
		halt()
		return err
	}
	if err := s.w.conn.QueryRow(ctx, "SELECT epoch FROM meta WHERE id = 1").Scan(&s.epoch); err != nil {
		halt()
		return errors.Join(err, s.w.conn.Close(ctx))
	}
	go s.writeLoop(running)
	return nil
}

// Epoch identifies this store.
func (s *Store) Epoch() string { return s.epoch }

// Close waits for the writes that were handed over, and disconnects. It may be called more than
// once.
func (s *Store) Close() error {
	s.gate.Lock()
	first := !s.closed
	s.closed = true
	if first && !s.readOnly {
		close(s.requests)
	}
	s.gate.Unlock()
	<-s.stopped
	if first {
		if s.halt != nil {
			s.halt()
		}
		s.pool.Close()
	}
	return nil
}

// read runs f in a transaction that sees one state.
func (s *Store) read(ctx context.Context, op string, f func(pgx.Tx) error) error {
	s.gate.RLock()
	closed := s.closed
	s.gate.RUnlock()
	if closed {
		return s.wrap(op, errClosed)
	}
	err := pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
	return s.wrap(op, err)
}

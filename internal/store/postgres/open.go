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
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
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

	schema *schema // nil: this program's
}

// Store is a store.Store on PostgreSQL. It may be used from several goroutines at once.
type Store struct {
	name  string // of the database, without secrets
	epoch string
	pool  *pgxpool.Pool
	w     *writer

	readOnly bool
	schema   *schema

	gate     sync.RWMutex // held for reading while a request is handed over
	closed   bool
	requests chan *request
	stopped  chan struct{} // closed when the writer has ended
	halt     context.CancelFunc
}

var _ store.Store = (*Store)(nil)

const (
	// openLimit is how long connecting may take.
	openLimit = 15 * time.Second
	// acquireLimit is how long a read waits for a connection when all are busy.
	acquireLimit = 10 * time.Second
	// acquirePause is the time between two attempts when the server has no connection to give.
	acquirePause = 20 * time.Millisecond
)

// errAddress does not repeat the address: it may hold a password.
var errAddress = errors.New("postgres: the address cannot be read; write postgres://user:password@host:5432/database")

// Open opens the store at address, a URL such as postgres://user@host/database, and brings its
// schema up to date. The error wraps store.ErrLocked when another process writes to it, and
// store.ErrVersion when the schema was written by a newer version. No error holds the password.
func Open(ctx context.Context, address string, opt Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errAddress
	}
	if opt.Readers < 1 {
		opt.Readers = 8
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.schema == nil {
		opt.schema = &current
	}
	cfg.MaxConns = int32(opt.Readers)
	settle(cfg.ConnConfig)
	s := &Store{name: nameOf(cfg.ConnConfig), readOnly: opt.ReadOnly, schema: opt.schema, requests: make(chan *request, maxGroup), stopped: make(chan struct{})}
	if !opt.ReadOnly {
		if err := s.schema.migrate(ctx, cfg.ConnConfig); err != nil {
			return nil, s.wrap("bring the schema up to date", errors.Join(err, ctx.Err()))
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

// settings are what every connection asks the server for, unless the address says otherwise. A lock
// that somebody else holds, a server that hangs and a process that vanished must hold up nobody for
// ever. Times are milliseconds, those of tcp seconds.
var settings = map[string]string{
	"application_name":                    "foretick",
	"lock_timeout":                        "5000",
	"statement_timeout":                   "60000",
	"idle_in_transaction_session_timeout": "60000",
	"client_connection_check_interval":    "2000",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "5",
	"tcp_keepalives_count":                "3",
	"default_transaction_isolation":       "read committed",
}

// settle completes how connections are made.
func settle(c *pgx.ConnConfig) {
	for name, value := range settings {
		if _, ok := c.RuntimeParams[name]; !ok {
			c.RuntimeParams[name] = value
		}
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout > openLimit {
		c.ConnectTimeout = openLimit
	}
	// A statement whose time is up is called off at the server: otherwise it would go on there, and
	// hold what it has locked.
	c.BuildContextWatcherHandler = func(p *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: p, DeadlineDelay: 2 * time.Second}
	}
}

// nameOf is a database without its secrets: the servers that it may be on, and its name.
func nameOf(c *pgx.ConnConfig) string {
	var hosts []string
	add := func(host string, port uint16) {
		switch {
		case strings.HasPrefix(host, "/"): // a folder with a socket
			host = ""
		case port != 5432 && port != 0:
			host = net.JoinHostPort(host, fmt.Sprint(port))
		}
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	return "postgres://" + strings.Join(hosts, ",") + "/" + c.Database
}

func (s *Store) open(ctx context.Context, cfg *pgx.ConnConfig, now func() time.Time) error {
	owner := rand.Text()
	if s.readOnly {
		close(s.stopped)
		if err := s.schema.check(ctx, s.pool); err != nil {
			return err
		}
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
	conn, err := s.acquire(ctx)
	if err != nil {
		return s.wrap(op, err)
	}
	defer conn.Release()
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, f)
	return s.wrap(op, err)
}

// acquire takes a connection of the pool. While the server has none to give it waits for one that
// is in use: there may be more readers than connections.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	limit, cancel := context.WithTimeout(ctx, acquireLimit)
	defer cancel()
	for {
		conn, err := s.pool.Acquire(limit)
		switch {
		case err == nil:
			return conn, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case limit.Err() != nil:
			return nil, fmt.Errorf("no connection was free within %s: all %d are busy", acquireLimit, s.pool.Config().MaxConns)
		case !exhausted(err):
			return nil, err
		}
		select {
		case <-limit.Done():
			return nil, err
		case <-time.After(acquirePause):
		}
	}
}

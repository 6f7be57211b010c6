// Package sqlite keeps everything in one SQLite file.
//
// One goroutine writes. It gathers the requests that wait, runs them in one
// transaction and answers them when the transaction is on the disk (write-ahead
// log, synchronous FULL): that is group commit, and it is why a thousand callers
// cost one fsync. Readers have connections of their own and never wait for the
// writer; each read sees the state between two transactions.
//
// The file is foretick.db in the data folder. A lock file beside it keeps a second
// process out.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
)

// File is the name of the database in its folder.
const File = "foretick.db"

const (
	pageSize    = 8192
	writerCache = 48 << 20        // what a large group changes must fit, or it is written twice
	readerCache = 4 << 20         // the system caches the file
	busyTimeout = 5 * time.Second // locks between our own connections are brief
)

// Options tune a store. The zero value is what to use.
type Options struct {
	// Readers is the number of reads that can run at once; 0 means 4.
	Readers int
	// MaxBytes bounds the size of the database file; a write that would exceed it
	// fails with ErrFull. 0 means no bound but the disk's.
	MaxBytes int64
	// Now is the clock by which commits are noted; nil means the machine's.
	Now func() time.Time

	schema schema // nil: this program's
}

func (o *Options) tables() schema {
	if o.schema == nil {
		return current
	}
	return o.schema
}

// Store is a store.Store on SQLite. It may be used from several goroutines at once.
type Store struct {
	dir   string
	epoch string
	lock  *lockFile
	pool  *pool
	w     *writer

	readOnly bool // opened by OpenReader: no lock, no writer

	gate     sync.RWMutex // held for reading while a request is handed over
	closed   bool
	requests chan *request
	stopped  chan struct{} // closed when the writer has ended
	closeErr error
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the folder dir, which is created when missing, and
// brings its schema up to date. The folder and its files are only accessible to
// their owner. The error wraps
//
//   - store.ErrLocked when another process uses the folder (it is named),
//   - store.ErrReadOnly when the folder or the file cannot be written to,
//   - store.ErrFull when the disk is full,
//   - store.ErrCorrupt when the file is damaged or no database of Foretick's,
//   - store.ErrVersion when it was written by a newer version.
func Open(ctx context.Context, dir string, opt Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	lock, err := prepareDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, lock: lock,
		requests: make(chan *request, maxGroup), // a whole group can wait while one commits
		stopped:  make(chan struct{}),
	}
	if err := s.open(ctx, opt); err != nil {
		return nil, errors.Join(s.wrap("open "+filepath.Join(dir, File), err), lock.release())
	}
	go s.writeLoop()
	return s, nil
}

// prepareDir creates the folder and the empty file with the permissions that
// SQLite then gives to its other files too, and takes the lock.
func prepareDir(dir string) (*lockFile, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, notWritable(dir, err)
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, File), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Join(notWritable(dir, err), lock.release())
	}
	if err := f.Close(); err != nil {
		return nil, errors.Join(notWritable(dir, err), lock.release())
	}
	return lock, nil
}

func notWritable(dir string, err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: data folder %s: %w; free some space or choose another folder with --data", store.ErrFull, dir, err)
	}
	advice := "choose another folder with --data"
	if errors.Is(err, fs.ErrPermission) {
		advice = "give this user the right to write there, or " + advice
	}
	return fmt.Errorf("%w: data folder %s: %w; %s", store.ErrReadOnly, dir, err, advice)
}

func (s *Store) open(ctx context.Context, opt Options) (err error) {
	path := filepath.Join(s.dir, File)
	conn, err := connect(path, writerCache)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, conn.Close())
		}
	}()
	conn.SetInterrupt(ctx.Done())
	if err := opt.tables().migrate(conn); err != nil {
		return errors.Join(err, ctx.Err()) // SQLite says no more than "interrupted"
	}
	if opt.MaxBytes > 0 {
		pages := max(opt.MaxBytes/pageSize, 1)
		if err := sqlitex.ExecuteTransient(conn.Conn, fmt.Sprintf("PRAGMA max_page_count=%d", pages), nil); err != nil {
			return err
		}
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	s.w = &writer{conn: conn, now: opt.Now, maxLog: maxLog}
	if s.epoch, err = s.w.load(); err != nil {
		return err
	}
	if opt.Readers < 1 {
		opt.Readers = 4
	}
	s.pool, err = newPool(path, opt.Readers)
	conn.SetInterrupt(nil)
	return err
}

// connect opens one connection. PRAGMA synchronous must stand outside any
// transaction, so each setting is a statement of its own.
func connect(path string, cache int) (*conn, error) {
	raw, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	conn := &conn{Conn: raw, stmts: map[string]*sqlite.Stmt{}}
	if err := conn.ballast(); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	conn.SetBusyTimeout(busyTimeout)
	for _, p := range []string{
		fmt.Sprintf("PRAGMA page_size=%d", pageSize), // has effect on a new file only
		"PRAGMA journal_mode=WAL",
		"PRAGMA synchronous=FULL",
		"PRAGMA wal_autocheckpoint=0", // see writer.checkpoint
		fmt.Sprintf("PRAGMA journal_size_limit=%d", maxLog),
		fmt.Sprintf("PRAGMA cache_size=%d", -cache/1024),
		"PRAGMA temp_store=MEMORY",
	} {
		if err := sqlitex.ExecuteTransient(raw, p, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// Epoch identifies this store.
func (s *Store) Epoch() string { return s.epoch }

// Close waits for the writes that were handed over and the reads that run, and
// releases the folder. It may be called more than once.
func (s *Store) Close() error {
	s.gate.Lock()
	if s.closed {
		s.gate.Unlock()
		<-s.stopped
		return s.closeErr
	}
	s.closed = true
	close(s.requests)
	s.gate.Unlock()
	<-s.stopped
	return s.closeErr
}

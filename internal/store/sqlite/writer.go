package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// maxGroup bounds the requests of one transaction.
const maxGroup = 4096

// The log is written back into the database file (a checkpoint) when nobody has
// asked for anything for a moment, so that it seldom delays a write, and at the
// latest when it has grown to maxLog bytes.
const (
	idleAfter = 100 * time.Millisecond
	minLog    = 4 << 20
	maxLog    = 64 << 20
)

// request is a write on its way to the writer. run may be called twice: it must
// set what it returns to its caller afresh each time.
type request struct {
	run   func(*writer) error
	taken atomic.Bool // by the writer, or given up by the caller
	done  chan error  // capacity 1: the writer never waits
}

// write hands run to the writer and waits until it is durable. A request that is
// given up before the writer took it leaves no trace; afterwards its outcome is
// waited for, so that an error always means that nothing was kept.
func (s *Store) write(ctx context.Context, op string, run func(*writer) error) error {
	if err := ctx.Err(); err != nil {
		return s.wrap(op, err)
	}
	r := &request{run: run, done: make(chan error, 1)}
	if err := s.submit(ctx, r); err != nil {
		return s.wrap(op, err)
	}
	select {
	case err := <-r.done:
		return s.wrap(op, err)
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return s.wrap(op, ctx.Err())
		}
		return s.wrap(op, <-r.done)
	}
}

func (s *Store) submit(ctx context.Context, r *request) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return errClosed
	}
	if s.readOnly {
		return fmt.Errorf("%w: it was opened for reading", store.ErrReadOnly)
	}
	select {
	case s.requests <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeLoop is the writer: it ends when requests is closed and drained.
func (s *Store) writeLoop() {
	defer close(s.stopped)
	group := make([]*request, 0, maxGroup)
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for {
		group = group[:0]
		select {
		case <-idle.C:
			if s.w.logged > minLog {
				s.w.checkpoint()
			}
			continue
		case r, ok := <-s.requests:
			if !ok {
				s.closeErr = s.wrap("close "+s.dir, s.end())
				return
			}
			group = append(group, r)
		}
	gather:
		for len(group) < maxGroup {
			select {
			case r, ok := <-s.requests:
				if !ok {
					break gather
				}
				group = append(group, r)
			default:
				break gather
			}
		}
		s.w.commit(group)
		clear(group)
		if s.w.logged > s.w.maxLog {
			s.w.checkpoint()
		}
		idle.Reset(idleAfter)
	}
}

// end closes everything that is open. What the last checkpoint leaves in the log is
// read again when the store is opened.
func (s *Store) end() error {
	return errors.Join(s.pool.close(), exec(s.w.conn, sqlTruncate), s.w.conn.Close(), s.lock.release())
}

// writer is the state of the writing goroutine. What it remembers of the database
// is forgotten when a transaction is rolled back.
type writer struct {
	conn         *conn
	now          func() time.Time
	wrote        bool // the request that runs has changed something
	receiving    bool // what is put in is of another store, and nothing is derived from it
	maxLog       int
	logged       int // bytes written since the last checkpoint, about
	lastEvent    uint64
	stamped      stamp
	stampKnown   bool
	ids          map[market.SeriesID]int64
	chains       map[int64]*chain
	ticks        map[int64]*tickHead
	moved        []*chain // by this transaction
	buf, segment []byte   // scratch
}

// commit runs a group in one transaction. A request that fails before it wrote
// anything just gets its error. When one fails later, or the transaction does,
// everything is rolled back and each request gets a transaction of its own, so
// that none suffers for another.
func (w *writer) commit(group []*request) {
	n := 0
	for _, r := range group {
		if r.taken.CompareAndSwap(false, true) {
			group[n] = r
			n++
		}
	}
	if group = group[:n]; n == 0 {
		return // all were given up
	}
	errs, err := w.attempt(group)
	if err != nil && n > 1 {
		for i := range group {
			one, err := w.attempt(group[i : i+1])
			errs[i] = errors.Join(one[0], err)
		}
	} else if err != nil {
		errs[0] = err
	}
	for i, r := range group {
		r.done <- errs[i]
	}
}

// attempt runs a group in one transaction. errs are the requests that failed
// without a trace; with err nothing of the group was kept.
func (w *writer) attempt(group []*request) (errs []error, err error) {
	errs = make([]error, len(group))
	if err := exec(w.conn, sqlBeginWrite); err != nil {
		return errs, err
	}
	defer func() {
		if err == nil {
			return
		}
		clear(errs)
		w.forget()
		if !w.conn.AutocommitEnabled() { // SQLite itself rolls back when the disk is full
			err = errors.Join(err, exec(w.conn, sqlRollback))
		}
	}()
	for i, r := range group {
		w.wrote = false
		if errs[i] = r.run(w); errs[i] != nil && w.wrote {
			return errs, errs[i]
		}
	}
	if err := w.flush(); err != nil {
		return errs, err
	}
	return errs, exec(w.conn, sqlCommit)
}

// checkpoint writes the log back; the next transaction then starts it anew. What
// cannot be written back now, because a reader needs the older state or the disk is
// full, stays in the log.
func (w *writer) checkpoint() {
	w.logged = 0
	_ = exec(w.conn, sqlCheckpoint)
}

// load reads what the writer remembers.
func (w *writer) load() (epoch string, err error) {
	if err := each(w.conn, sqlEpoch, func(r *sqlite.Stmt) bool { epoch = r.ColumnText(0); return true }); err != nil {
		return "", err
	}
	if epoch == "" {
		return "", fmt.Errorf("%w: it has no epoch", store.ErrCorrupt)
	}
	w.forget()
	return epoch, nil
}

func (w *writer) forget() {
	w.lastEvent, w.stampKnown, w.receiving = 0, false, false
	w.ids = map[market.SeriesID]int64{}
	w.chains = map[int64]*chain{}
	w.ticks = map[int64]*tickHead{}
	w.moved = w.moved[:0]
}

// nextEvent is the number of the event that comes next.
func (w *writer) nextEvent() (uint64, error) {
	if w.lastEvent == 0 {
		n, err := lastEvent(w.conn)
		if err != nil {
			return 0, err
		}
		w.lastEvent = n
	}
	w.lastEvent++
	return w.lastEvent, nil
}

// id finds a series; ErrNotFound when it is not registered.
func (w *writer) id(key market.SeriesID) (int64, error) {
	if id, ok := w.ids[key]; ok {
		return id, nil
	}
	id, err := seriesID(w.conn, key)
	if err == nil && id == 0 {
		err = fmt.Errorf("%w: series %s is not registered", store.ErrNotFound, key)
	}
	if err == nil {
		w.ids[key] = id
	}
	return id, err
}

func (w *writer) chain(id int64) (*chain, error) {
	if c := w.chains[id]; c != nil {
		return c, nil
	}
	c, err := readChain(w.conn, id)
	if err == nil {
		w.chains[id] = c
	}
	return c, err
}

// flush writes the chains that the transaction has moved.
func (w *writer) flush() error {
	w.logged += pageSize * (1 + len(w.moved))
	for _, c := range w.moved {
		if err := errors.Join(w.writeRoll(c), c.write(w.conn)); err != nil {
			return err
		}
		c.moved = false
	}
	w.moved = w.moved[:0]
	if w.receiving {
		w.receiving = false
		return nil
	}
	return w.stamp()
}

// move marks c as changed by this transaction.
func (w *writer) move(c *chain) {
	w.wrote = true
	if !c.moved {
		c.moved = true
		w.moved = append(w.moved, c)
	}
}

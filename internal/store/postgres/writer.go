package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/rollup"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// maxGroup bounds the requests of one transaction.
const maxGroup = 4096

// lockPatience is how long the right to write is waited for: the server takes a moment to notice that
// the process which had it is gone (client_connection_check_interval).
const lockPatience = 2500 * time.Millisecond

// commitLimit bounds one transaction: a lock that somebody else holds, or a server that is gone,
// must not hold up everything for ever. Callers try again.
const commitLimit = 30 * time.Second

// request is a write on its way to the writer. run may be called twice: it must set what it
// returns to its caller afresh each time.
type request struct {
	run   func(context.Context, *writer) error
	taken atomic.Bool // by the writer, or given up by the caller
	probe bool        // the caller need not know how it ended
	done  chan error  // capacity 1: the writer never waits
}

// write hands run to the writer and waits until it is durable. A request that is given up
// before the writer took it leaves no trace; afterwards its outcome is waited for.
func (s *Store) write(ctx context.Context, op string, run func(context.Context, *writer) error) error {
	return s.hand(ctx, op, &request{run: run, done: make(chan error, 1)})
}

func (s *Store) hand(ctx context.Context, op string, r *request) error {
	if err := ctx.Err(); err != nil {
		return s.wrap(op, err)
	}
	if err := s.submit(ctx, r); err != nil {
		return s.wrap(op, err)
	}
	select {
	case err := <-r.done:
		return s.wrap(op, err)
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) || r.probe {
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
func (s *Store) writeLoop(ctx context.Context) {
	defer close(s.stopped)
	group := make([]*request, 0, maxGroup)
	for r := range s.requests {
		group = append(group[:0], r)
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
		s.w.commit(ctx, group)
		clear(group)
	}
	if s.w.conn != nil {
		closing, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, _ = s.w.conn.Exec(closing, sqlUnlock, int32(lockKey&0x7fffffff)) // or it goes with the session
		_ = s.w.conn.Close(closing)
	}
}

// writer is the state of the writing goroutine. What it remembers of the database is forgotten
// when a transaction is rolled back.
type writer struct {
	cfg   *pgx.ConnConfig
	owner string
	now   func() time.Time
	conn  *pgx.Conn // nil: lost
	tx    pgx.Tx
	wrote bool // the request that runs has changed something

	receiving bool // what is put in is of another store, and nothing is derived from it

	pid   uint32 // of the last connection at the server
	acked uint64 // the newest event that was committed
	lost  error  // why this process must not write any more

	lastEvent uint64
	ids       map[market.SeriesID]int32
	chains    map[int32]*chain
	ticks     map[int32]*tickHead

	parts map[string]*parts

	// What the transaction puts in at its end.
	moved              []*chain
	events             [][]any
	bars               [][]any
	fresh              map[place]bool // among bars
	replaced           []place        // by bars
	entries            [][]any
	scores             [][]any
	newTicks, oldTicks [][]any

	looked map[place]*store.BarRecord // what is stored, nil: nothing, as far as it was asked
}

// chain is where a series stands.
type chain struct {
	series        int32
	head          ledger.Head
	cursor        store.Cursor
	scoreRevision uint64
	scoredTo      int64
	newestBar     int64 // MinTime: none
	roll          *rollup.Roll

	moved bool
}

// The lock of the writing process is of its schema: two schemas of one database are two stores.
// It goes with the session, but the server may take a moment to notice that that has ended.
const (
	sqlLock   = "SELECT pg_try_advisory_lock($1, hashtext(current_schema()))"
	sqlUnlock = "SELECT pg_advisory_unlock($1, hashtext(current_schema()))"
)

// connect connects, and takes the right to write.
func (w *writer) connect(ctx context.Context, first bool) (err error) {
	conn, err := pgx.ConnectConfig(ctx, w.cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = conn.Close(context.WithoutCancel(ctx)) // the first error says more
		}
	}()
	var got bool
	for wait := time.Now().Add(lockPatience); ; {
		if err := conn.QueryRow(ctx, sqlLock, int32(lockKey&0x7fffffff)).Scan(&got); err != nil {
			return err
		}
		if got || !time.Now().Before(wait) {
			break
		}
		if first { // it may be that of a process that was killed a moment ago
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(lockPatience / 50):
			}
			continue
		}
		// The server may not have noticed yet that our last connection is gone.
		var ended bool
		err := conn.QueryRow(ctx, `SELECT coalesce(bool_or(pg_terminate_backend(pid, 200)), false) FROM pg_locks
			WHERE locktype = 'advisory' AND granted AND pid = $1 AND classid = $2::int::oid AND EXISTS (SELECT FROM meta WHERE id = 1 AND owner = $3)`,
			int32(w.pid), int32(lockKey&0x7fffffff), w.owner).Scan(&ended)
		if err != nil {
			return err
		}
		if !ended {
			break
		}
	}
	if !got {
		return fmt.Errorf("%w: another Foretick writes to this database; stop it, or use another database", store.ErrLocked)
	}
	if first {
		if _, err := conn.Exec(ctx, "UPDATE meta SET owner = $1 WHERE id = 1", w.owner); err != nil {
			return err
		}
	}
	w.conn, w.pid = conn, conn.PgConn().PID()
	w.forget()
	return nil
}

func (w *writer) forget() {
	w.lastEvent = 0
	w.ids, w.chains, w.parts = map[market.SeriesID]int32{}, map[int32]*chain{}, map[string]*parts{}
	w.ticks = map[int32]*tickHead{}
	w.drop()
}

// drop forgets what the transaction was to put in.
func (w *writer) drop() {
	w.moved, w.events, w.bars, w.entries, w.scores = w.moved[:0], w.events[:0], w.bars[:0], w.entries[:0], w.scores[:0]
	w.replaced, w.newTicks, w.oldTicks, w.receiving = w.replaced[:0], w.newTicks[:0], w.oldTicks[:0], false
	w.fresh, w.looked = map[place]bool{}, map[place]*store.BarRecord{}
}

// commit runs a group in one transaction. A request that fails before it wrote anything just
// gets its error. When one fails later, or the transaction does, everything is rolled back and
// each request gets a transaction of its own, so that none suffers for another.
func (w *writer) commit(ctx context.Context, group []*request) {
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
	errs, err := w.attempts(ctx, group)
	if err != nil && n > 1 && w.conn != nil && !ofAll(err) {
		for i := range group {
			if i > 0 && w.conn == nil { // gone: to try once for each would hold up everything
				errs[i] = errs[i-1]
				continue
			}
			one, err := w.attempts(ctx, group[i:i+1])
			errs[i] = errors.Join(one[0], err)
		}
	} else if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	for i, r := range group {
		r.done <- errs[i]
	}
}

// maxAttempts bounds how often a transaction is tried again that failed only because of others.
const maxAttempts = 5

func (w *writer) attempts(ctx context.Context, group []*request) (errs []error, err error) {
	for range maxAttempts {
		if errs, err = w.attempt(ctx, group); !again(err) {
			break
		}
	}
	return errs, err
}

// attempt runs a group in one transaction. errs are the requests that failed without a trace;
// with err nothing of the group was kept, unless the connection was lost while it was being
// committed: a bar or entry that is handed over again is then known already.
func (w *writer) attempt(ctx context.Context, group []*request) (errs []error, err error) {
	errs = make([]error, len(group))
	ctx, cancel := context.WithTimeout(ctx, commitLimit)
	defer cancel()
	if w.conn == nil || w.conn.IsClosed() {
		w.conn = nil
		if err := w.connect(ctx, false); err != nil {
			return errs, err
		}
	}
	defer func() {
		if err == nil {
			return
		}
		clear(errs)
		w.forget()
		if broken(err) {
			_ = w.conn.Close(context.WithoutCancel(ctx)) // it is of no use
			w.conn = nil
		}
	}()
	if w.lost != nil {
		return errs, w.lost
	}
	if w.tx, err = w.conn.Begin(ctx); err != nil {
		return errs, err
	}
	defer func() {
		if err != nil {
			_ = w.tx.Rollback(context.WithoutCancel(ctx)) // what is wrong is known
		}
	}()
	var stored uint64
	var before market.Time
	err = w.tx.QueryRow(ctx, sqlLast, w.owner).Scan(&stored, (*int64)(&before))
	if errors.Is(err, pgx.ErrNoRows) {
		return errs, fmt.Errorf("%w: another Foretick has taken over this database", store.ErrLocked)
	}
	if err != nil {
		return errs, err
	}
	if stored < w.acked {
		return errs, w.wentBack(ctx, stored)
	}
	w.lastEvent = stored
	for i, r := range group {
		w.wrote = false
		// An error of the server ends the transaction, too.
		if errs[i] = r.run(ctx, w); errs[i] != nil && (w.wrote || codeOf(errs[i]) != "" || w.conn.IsClosed()) {
			return errs, errs[i]
		}
	}
	if err := w.flush(ctx, stored, before); err != nil {
		return errs, err
	}
	if err := w.tx.Commit(ctx); err != nil {
		return errs, err
	}
	w.acked = w.lastEvent
	return errs, nil
}

// wentBack says that the database does not hold what it had committed: events that subscribers were
// shown are gone, and their numbers will be given to others. So the store gets another epoch, and
// this process, whose memory is of the old one, writes no more.
func (w *writer) wentBack(ctx context.Context, stored uint64) error {
	w.lost = fmt.Errorf("the database ends with event %d, although %d was committed to it: a standby that had not received everything took over, or an older copy was restored. Restart Foretick: it goes on from there", stored, w.acked)
	if _, err := w.tx.Exec(ctx, "UPDATE meta SET epoch = $1 WHERE id = 1", rand.Text()); err != nil {
		return errors.Join(w.lost, err)
	}
	return errors.Join(w.lost, w.tx.Commit(ctx))
}

// flush puts in what the transaction has gathered after event stored; the commit before it
// was at before.
func (w *writer) flush(ctx context.Context, stored uint64, before market.Time) error {
	defer w.drop()
	if err := w.landTicks(ctx); err != nil {
		return err
	}
	if err := w.land(ctx); err != nil {
		return err
	}
	for _, c := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"event", []string{"seq", "series", "start"}, w.events},
		{"ledger", entryColumns, w.entries},
		{"score", scoreColumns, w.scores},
	} {
		if err := w.copyIn(ctx, c.table, c.columns, c.rows); err != nil {
			return err
		}
	}
	if err := w.writeRolls(ctx); err != nil {
		return err
	}
	var b pgx.Batch
	for _, c := range w.moved {
		c.moved = false
		b.Queue("UPDATE chain SET head_num = $2, head_hash = $3, cursor_bar = $4, cursor_inputs = $5, score_revision = $6, scored_to = $7 WHERE series = $1",
			c.series, int64(c.head.Seq), c.head.Hash[:], int64(c.cursor.BarSeq), c.cursor.Inputs[:], int64(c.scoreRevision), c.scoredTo)
	}
	if w.lastEvent != stored {
		b.Queue("UPDATE meta SET last_event = $1 WHERE id = 1", int64(w.lastEvent))
	}
	if w.lastEvent != stored && !w.receiving {
		at := int64(max(market.TimeOf(w.now()), before+1))
		if err := w.makePart(ctx, "clock", at); err != nil {
			return err
		}
		b.Queue("INSERT INTO clock (at, seq) VALUES ($1, $2)", at, int64(w.lastEvent))
	}
	if b.Len() == 0 {
		return nil
	}
	return w.tx.SendBatch(ctx, &b).Close()
}

// nextEvent is the number of the event that comes next.
func (w *writer) nextEvent() uint64 {
	w.lastEvent++
	return w.lastEvent
}

// move marks c as changed by this transaction.
func (w *writer) move(c *chain) {
	w.wrote = true
	if !c.moved {
		c.moved = true
		w.moved = append(w.moved, c)
	}
}

// chain finds a series; ErrNotFound when it is not registered.
func (w *writer) chain(ctx context.Context, key market.SeriesID) (*chain, error) {
	if id, ok := w.ids[key]; ok {
		return w.chains[id], nil
	}
	id, roll, _, err := readRoll(ctx, w.tx, key)
	if err != nil {
		return nil, err
	}
	c, err := readChain(ctx, w.tx, id)
	if err != nil {
		return nil, err
	}
	var newest *int64
	if err := w.tx.QueryRow(ctx, "SELECT max(start) FROM bar WHERE series = $1", id).Scan(&newest); err != nil {
		return nil, err
	}
	c.newestBar, c.roll = int64(market.MinTime), roll
	if newest != nil {
		c.newestBar = *newest
	}
	w.ids[key], w.chains[id] = id, c
	return c, nil
}

// querier is what transactions and pools have in common.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func readChain(ctx context.Context, q querier, id int32) (*chain, error) {
	c := &chain{series: id}
	var head, inputs []byte
	var num, bar, revision int64
	err := q.QueryRow(ctx, "SELECT head_num, head_hash, cursor_bar, cursor_inputs, score_revision, scored_to FROM chain WHERE series = $1", id).
		Scan(&num, &head, &bar, &inputs, &revision, &c.scoredTo)
	if err != nil {
		return nil, err
	}
	c.head.Seq, c.cursor.BarSeq, c.scoreRevision = uint64(num), uint64(bar), uint64(revision)
	copy(c.head.Hash[:], head)
	copy(c.cursor.Inputs[:], inputs)
	return c, nil
}

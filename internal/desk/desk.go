// Package desk runs long jobs that people order, backtests and trainings, one after
// another in the background, and keeps what became of them: a job survives a restart, can
// be watched and cancelled, and the oldest are forgotten.
package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// State says how far a job has come.
type State string

// The states.
const (
	Queued    State = "queued"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Head is what every job has. A job is a struct that embeds it.
type Head struct {
	ID      string      `json:"id"`
	Created market.Time `json:"created"`
	State   State       `json:"state" enum:"queued,running,done,failed,cancelled"`
	Error   string      `json:"error,omitempty" doc:"Why it failed."`
}

func (h *Head) head() *Head { return h }

// ended reports whether nothing more will come of the job.
func (h *Head) ended() bool { return h.State != Queued && h.State != Running }

// Job is a pointer to a struct that embeds Head.
type Job[T any] interface {
	*T
	head() *Head
}

// ErrBusy says that too many jobs wait already.
var ErrBusy = errors.New("too many are waiting")

// Bounds of a desk.
const (
	maxWaiting = 16
	maxKept    = 200
)

// Config says what a desk works with. Only Log and Forget may be nil.
type Config[T any] struct {
	Name   string // of the kind of job, and of the documents that keep them
	Prefix string // of their ids
	Store  store.DocumentStore
	// Work does the job. What it finds it writes into the job with update, which whoever
	// looks sees at once; update must not keep the pointer, and what it replaces must not
	// be changed in place. It ends early, with any error, when ctx is done.
	Work func(ctx context.Context, job T, update func(func(*T))) error
	// Forget deletes what else is stored of a job, when the job is deleted, and when it has
	// failed or is cancelled.
	Forget func(ctx context.Context, id string) error
	// Resume lets jobs that a restart has interrupted wait again; else they have failed.
	Resume bool
	Now    func() time.Time
	Log    *slog.Logger
}

// Desk is the queue and the archive of jobs of one kind. Create it with New, start it
// with Run.
type Desk[T any, P Job[T]] struct {
	cfg Config[T]

	mu      sync.Mutex
	waiting []string // ids, first come first served
	jobs    map[string]P
	cancel  context.CancelFunc // of the one that runs, nil when none does
	running string
	last    market.Time // newest id
	wake    chan struct{}

	working atomic.Bool
}

// New returns a desk with the jobs that are in the store.
func New[T any, P Job[T]](ctx context.Context, cfg Config[T]) (*Desk[T, P], error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk[T, P]{cfg: cfg, jobs: map[string]P{}, wake: make(chan struct{}, 1)}
	list, err := cfg.Store.Documents(ctx, cfg.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	for _, r := range list {
		doc, err := cfg.Store.Document(ctx, cfg.Name, r.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", cfg.Name, err)
		}
		j := P(new(T))
		h := j.head()
		if err := json.Unmarshal(doc.Body, j); err != nil || h.ID != r.Name {
			cfg.Log.Warn("a stored "+cfg.Name+" cannot be read and is left out", "id", r.Name, "err", err)
			continue
		}
		switch {
		case h.ended():
		case cfg.Resume:
			h.State = Queued
			d.waiting = append(d.waiting, h.ID)
		default:
			h.State, h.Error = Failed, "Foretick was stopped before it was done; order it again"
		}
		d.jobs[h.ID] = j
		d.last = max(d.last, h.Created)
	}
	slices.SortFunc(d.waiting, func(a, b string) int { return older(d.jobs[a].head(), d.jobs[b].head()) })
	return d, nil
}

func older(a, b *Head) int { return int(max(-1, min(1, a.Created-b.Created))) }

// Submit takes a job, whose Head it fills in. The error wraps ErrBusy when too many wait.
func (d *Desk[T, P]) Submit(ctx context.Context, job T) (T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) >= maxWaiting {
		return job, fmt.Errorf("%s: %w: %d; wait until one is done, or cancel one", d.cfg.Name, ErrBusy, len(d.waiting))
	}
	at := max(market.TimeOf(d.cfg.Now()), d.last+1)
	j := P(&job)
	*j.head() = Head{ID: fmt.Sprintf("%s%x", d.cfg.Prefix, int64(at)), Created: at, State: Queued}
	if err := d.keep(ctx, j); err != nil {
		return job, err
	}
	d.last = at
	id := j.head().ID
	d.jobs[id] = j
	d.waiting = append(d.waiting, id)
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return job, nil
}

// Jobs lists all jobs, newest first.
func (d *Desk[T, P]) Jobs() []T {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]P, 0, len(d.jobs))
	for _, j := range d.jobs {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b P) int { return older(b.head(), a.head()) })
	out := make([]T, len(list))
	for i, j := range list {
		out[i] = *j
	}
	return out
}

// Job returns a job; the error wraps store.ErrNotFound when there is none.
func (d *Desk[T, P]) Job(id string) (job T, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	if j == nil {
		return job, fmt.Errorf("%s %.40q: %w", d.cfg.Name, id, store.ErrNotFound)
	}
	return *j, nil
}

// Delete cancels a job that waits or runs, and forgets one that has ended.
func (d *Desk[T, P]) Delete(ctx context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	switch {
	case j == nil:
		return fmt.Errorf("%s %.40q: %w", d.cfg.Name, id, store.ErrNotFound)
	case id == d.running:
		d.cancel()
		return nil
	case j.head().State == Queued:
		d.waiting = slices.DeleteFunc(d.waiting, func(w string) bool { return w == id })
		j.head().State = Cancelled
		if err := d.keep(ctx, j); err != nil {
			return err
		}
		d.trim(ctx)
		return d.clear(ctx, id) // a restart may have interrupted it
	}
	return d.forget(ctx, id)
}

// clear deletes what is stored of a job beside itself.
func (d *Desk[T, P]) clear(ctx context.Context, id string) error {
	if d.cfg.Forget == nil {
		return nil
	}
	if err := d.cfg.Forget(ctx, id); err != nil {
		return fmt.Errorf("%s %s: %w", d.cfg.Name, id, err)
	}
	return nil
}

// forget deletes all of a job.
func (d *Desk[T, P]) forget(ctx context.Context, id string) error {
	if err := d.clear(ctx, id); err != nil {
		return err
	}
	if err := d.cfg.Store.DeleteDocument(ctx, d.cfg.Name, id); err != nil {
		return fmt.Errorf("%s %s: %w", d.cfg.Name, id, err)
	}
	delete(d.jobs, id)
	return nil
}

// keep stores a job.
func (d *Desk[T, P]) keep(ctx context.Context, j P) error {
	h := j.head()
	body, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("%s %s: %w", d.cfg.Name, h.ID, err)
	}
	if err := d.cfg.Store.PutDocuments(ctx, store.Document{Kind: d.cfg.Name, Name: h.ID, At: h.Created, Body: body}); err != nil {
		return fmt.Errorf("%s %s: %w", d.cfg.Name, h.ID, err)
	}
	return nil
}

// Run works off what was ordered until ctx is done. A job that panics has failed; the next one
// is done all the same. It fails only when it runs already.
func (d *Desk[T, P]) Run(ctx context.Context) error {
	if !d.working.CompareAndSwap(false, true) {
		return fmt.Errorf("%s: the desk is worked at already", d.cfg.Name)
	}
	defer d.working.Store(false)
	for ctx.Err() == nil {
		id, job, cancel := d.next(ctx)
		if id == "" {
			select {
			case <-ctx.Done():
				return nil
			case <-d.wake:
			}
			continue
		}
		d.work(ctx, job, id)
		cancel()
	}
	return nil
}

// next takes the job that has waited longest, "" when none waits, and the context that
// Delete cancels: whoever sees a job run can cancel it.
func (d *Desk[T, P]) next(parent context.Context) (id string, ctx context.Context, cancel context.CancelFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return "", nil, nil
	}
	id = d.waiting[0]
	d.waiting = d.waiting[1:]
	ctx, cancel = context.WithCancel(parent)
	d.running, d.cancel, d.jobs[id].head().State = id, cancel, Running
	return id, ctx, cancel
}

// work runs one job to its end, or to that of ctx.
func (d *Desk[T, P]) work(parent, ctx context.Context, id string) {
	d.mu.Lock()
	job := *d.jobs[id]
	d.mu.Unlock()

	err := d.try(ctx, job, func(change func(*T)) {
		d.mu.Lock()
		defer d.mu.Unlock()
		change((*T)(d.jobs[id]))
	})

	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	h := j.head()
	d.running, d.cancel = "", nil
	switch {
	case err == nil:
		h.State = Done
	case parent.Err() != nil:
		return // the process ends: the next one says what becomes of it
	case ctx.Err() != nil:
		h.State = Cancelled
	default:
		h.State, h.Error = Failed, err.Error()
		d.cfg.Log.Warn(d.cfg.Name+" failed", "id", id, "err", err)
	}
	store := context.WithoutCancel(parent) // a job that is done is done, even if the process ends just now
	if err := d.keep(store, j); err != nil {
		d.cfg.Log.Error("the end of a "+d.cfg.Name+" could not be stored", "id", id, "err", err)
	}
	if h.State != Done {
		if err := d.clear(store, id); err != nil {
			d.cfg.Log.Warn("what is stored of a "+d.cfg.Name+" could not be deleted", "id", id, "err", err)
		}
	}
	d.trim(store)
}

// try does a job. What somebody has ordered must not take down what is live, so a panic is an
// error like another.
func (d *Desk[T, P]) try(ctx context.Context, job T, update func(func(*T))) (err error) {
	defer func() {
		if r := recover(); r != nil {
			d.cfg.Log.Error("a "+d.cfg.Name+" panicked", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("it panicked: %v", r)
		}
	}()
	return d.cfg.Work(ctx, job, update)
}

// trim forgets the oldest jobs when there are too many.
func (d *Desk[T, P]) trim(ctx context.Context) {
	var ended []*Head
	for _, j := range d.jobs {
		if j.head().ended() {
			ended = append(ended, j.head())
		}
	}
	slices.SortFunc(ended, older)
	for _, h := range ended[:max(0, len(ended)-maxKept)] {
		if err := d.forget(ctx, h.ID); err != nil {
			d.cfg.Log.Warn("an old "+d.cfg.Name+" could not be forgotten", "id", h.ID, "err", err)
			return
		}
	}
}

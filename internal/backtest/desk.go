package backtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Order asks for a backtest of stored series.
type Order struct {
	Series []market.SeriesID `json:"series"`
	Spec
}

// State says how far a backtest has come.
type State string

// The states.
const (
	Queued    State = "queued"
	Running   State = "running"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Job is a backtest that was ordered.
type Job struct {
	ID      string      `json:"id"`
	Created market.Time `json:"created"`
	State   State       `json:"state" enum:"queued,running,done,failed,cancelled"`
	Bars    int64       `json:"bars" doc:"Bars walked so far."`
	Total   int64       `json:"total" doc:"Bars to walk; 0 while they are not counted yet."`
	Error   string      `json:"error,omitempty" doc:"Why it failed."`
	Order   Order       `json:"order"`
	Pooled  []Pooled    `json:"pooled" doc:"The figures over all series, when it is done."`
}

// Errors of Desk, wrapped with details.
var (
	// ErrBusy says that too many backtests wait already.
	ErrBusy = errors.New("backtest: too many are waiting")
	// ErrOrder says what is wrong with an order.
	ErrOrder = errors.New("backtest: bad order")
)

// Bounds of a desk.
const (
	maxWaiting = 16
	maxSeries  = 100
	maxKept    = 200
)

// The kinds of documents that a desk keeps.
const (
	jobKind    = "backtest"
	reportKind = "backtest-report"
)

// Desk runs backtests one after another in the background and keeps what came out.
// Create it with NewDesk and start it with Run.
type Desk struct {
	cfg DeskConfig

	mu      sync.Mutex
	waiting []string // ids, first come first served
	jobs    map[string]*Job
	cancel  context.CancelFunc // of the one that runs, nil when none does
	running string
	last    market.Time // newest id
	wake    chan struct{}
}

// DeskConfig says what a desk works with. Only Log may be nil.
type DeskConfig struct {
	Store store.DocumentStore
	// Prepare checks an order, fills in its defaults and reads what it needs.
	Prepare func(ctx context.Context, o *Order) ([]Input, Options, error)
	// Check is the part of Prepare that can be told at once.
	Check func(ctx context.Context, o *Order) error
	Now   func() time.Time
	Log   *slog.Logger
}

// NewDesk returns a desk with the backtests that are in the store. Those that an
// earlier process left unfinished have failed.
func NewDesk(ctx context.Context, cfg DeskConfig) (*Desk, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{cfg: cfg, jobs: map[string]*Job{}, wake: make(chan struct{}, 1)}
	list, err := cfg.Store.Documents(ctx, jobKind)
	if err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	for _, r := range list {
		doc, err := cfg.Store.Document(ctx, jobKind, r.Name)
		if err != nil {
			return nil, fmt.Errorf("backtest: %w", err)
		}
		j := new(Job)
		if err := json.Unmarshal(doc.Body, j); err != nil || j.ID != r.Name {
			cfg.Log.Warn("a stored backtest cannot be read and is left out", "backtest", r.Name, "err", err)
			continue
		}
		if j.State == Queued || j.State == Running {
			j.State, j.Error = Failed, "Foretick was stopped before it was done; order it again"
		}
		d.jobs[j.ID] = j
		d.last = max(d.last, j.Created)
	}
	return d, nil
}

// Submit takes an order. The error wraps ErrOrder when it cannot be walked, and ErrBusy
// when too many wait.
func (d *Desk) Submit(ctx context.Context, o Order) (Job, error) {
	if len(o.Series) == 0 || len(o.Series) > maxSeries {
		return Job{}, fmt.Errorf("%w: %d series; choose 1 to %d", ErrOrder, len(o.Series), maxSeries)
	}
	o.Series = slices.Clone(o.Series)
	slices.Sort(o.Series)
	o.Series = slices.Compact(o.Series)
	if err := o.Finish(); err != nil {
		return Job{}, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	if err := d.cfg.Check(ctx, &o); err != nil {
		return Job{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) >= maxWaiting {
		return Job{}, fmt.Errorf("%w: %d; wait until one is done, or cancel one", ErrBusy, len(d.waiting))
	}
	at := max(market.TimeOf(d.cfg.Now()), d.last+1)
	j := &Job{ID: fmt.Sprintf("b%x", int64(at)), Created: at, State: Queued, Order: o, Pooled: []Pooled{}}
	if err := d.keep(ctx, j); err != nil {
		return Job{}, err
	}
	d.last = at
	d.jobs[j.ID] = j
	d.waiting = append(d.waiting, j.ID)
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return *j, nil
}

// Jobs lists all backtests, newest first.
func (d *Desk) Jobs() []Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Job, 0, len(d.jobs))
	for _, j := range d.jobs {
		list = append(list, *j)
	}
	slices.SortFunc(list, func(a, b Job) int { return int(max(-1, min(1, b.Created-a.Created))) })
	return list
}

// Job returns a backtest; the error wraps store.ErrNotFound when there is none.
func (d *Desk) Job(id string) (Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	if j == nil {
		return Job{}, fmt.Errorf("backtest %.40q: %w", id, store.ErrNotFound)
	}
	return *j, nil
}

// Report returns what a backtest that is done has found; the error wraps
// store.ErrNotFound when there is nothing.
func (d *Desk) Report(ctx context.Context, id string) (*Report, error) {
	if _, err := d.Job(id); err != nil {
		return nil, err
	}
	doc, err := d.cfg.Store.Document(ctx, reportKind, id)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(doc.Body, r); err != nil {
		return nil, fmt.Errorf("backtest %s: %w: %w", id, store.ErrCorrupt, err)
	}
	return r, nil
}

// Delete cancels a backtest that waits or runs, and forgets one that has ended.
func (d *Desk) Delete(ctx context.Context, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	switch {
	case j == nil:
		return fmt.Errorf("backtest %.40q: %w", id, store.ErrNotFound)
	case id == d.running:
		d.cancel()
		return nil
	case j.State == Queued:
		d.waiting = slices.DeleteFunc(d.waiting, func(w string) bool { return w == id })
		j.State = Cancelled
		return d.keep(ctx, j)
	}
	return d.forget(ctx, id)
}

func (d *Desk) forget(ctx context.Context, id string) error {
	for _, kind := range []string{reportKind, jobKind} {
		if err := d.cfg.Store.DeleteDocument(ctx, kind, id); err != nil {
			return fmt.Errorf("backtest %s: %w", id, err)
		}
	}
	delete(d.jobs, id)
	return nil
}

// keep stores a job.
func (d *Desk) keep(ctx context.Context, j *Job) error {
	body, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("backtest %s: %w", j.ID, err)
	}
	if err := d.cfg.Store.PutDocuments(ctx, store.Document{Kind: jobKind, Name: j.ID, At: j.Created, Body: body}); err != nil {
		return fmt.Errorf("backtest %s: %w", j.ID, err)
	}
	return nil
}

// Run works off what was ordered until ctx is done.
func (d *Desk) Run(ctx context.Context) error {
	for {
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
		if ctx.Err() != nil {
			return nil
		}
	}
}

// next takes the job that has waited longest, "" when none waits, and the context that
// Delete cancels: whoever sees a job run can cancel it.
func (d *Desk) next(parent context.Context) (id string, ctx context.Context, cancel context.CancelFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return "", nil, nil
	}
	id = d.waiting[0]
	d.waiting = d.waiting[1:]
	ctx, cancel = context.WithCancel(parent)
	d.running, d.cancel, d.jobs[id].State = id, cancel, Running
	return id, ctx, cancel
}

// work runs one job to its end, or to that of ctx.
func (d *Desk) work(parent, ctx context.Context, id string) {
	d.mu.Lock()
	o := d.jobs[id].Order
	d.mu.Unlock()

	r, err := d.walk(ctx, id, o)

	d.mu.Lock()
	defer d.mu.Unlock()
	j := d.jobs[id]
	d.running, d.cancel = "", nil
	switch {
	case err == nil:
		j.State, j.Pooled = Done, r.Pooled
	case parent.Err() != nil:
		return // the process ends: the next one says that it was stopped
	case ctx.Err() != nil:
		j.State = Cancelled
	default:
		j.State, j.Error = Failed, err.Error()
		d.cfg.Log.Warn("backtest failed", "backtest", id, "err", err)
	}
	if err := d.keep(parent, j); err != nil {
		d.cfg.Log.Error("the end of a backtest could not be stored", "backtest", id, "err", err)
	}
	d.trim(parent)
}

// walk runs the order and stores the report.
func (d *Desk) walk(ctx context.Context, id string, o Order) (*Report, error) {
	inputs, opt, err := d.cfg.Prepare(ctx, &o)
	if err != nil {
		return nil, err
	}
	opt.Progress = func(done, total int64) {
		d.mu.Lock()
		defer d.mu.Unlock()
		j := d.jobs[id]
		j.Bars, j.Total = max(j.Bars, done), total
	}
	r, err := Run(ctx, o.Spec, inputs, opt)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return r, d.cfg.Store.PutDocuments(ctx, store.Document{Kind: reportKind, Name: id, At: r.Protocol.Created, Body: body})
}

// trim forgets the oldest backtests when there are too many.
func (d *Desk) trim(ctx context.Context) {
	var ended []*Job
	for _, j := range d.jobs {
		if j.State != Queued && j.State != Running {
			ended = append(ended, j)
		}
	}
	slices.SortFunc(ended, func(a, b *Job) int { return int(max(-1, min(1, a.Created-b.Created))) })
	for _, j := range ended[:max(0, len(ended)-maxKept)] {
		if err := d.forget(ctx, j.ID); err != nil {
			d.cfg.Log.Warn("an old backtest could not be forgotten", "backtest", j.ID, "err", err)
			return
		}
	}
}

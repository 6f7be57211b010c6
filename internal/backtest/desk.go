package backtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Order asks for a backtest of stored series.
type Order struct {
	Series []market.SeriesID `json:"series"`
	Spec
}

// Job is a backtest that was ordered.
type Job struct {
	desk.Head
	Bars   int64    `json:"bars" doc:"Bars walked so far."`
	Total  int64    `json:"total" doc:"Bars to walk; 0 while they are not counted yet."`
	Order  Order    `json:"order"`
	Pooled []Pooled `json:"pooled" doc:"The figures over all series, when it is done."`
}

// ErrOrder says what is wrong with an order; it is wrapped with details.
var ErrOrder = errors.New("backtest: bad order")

// maxSeries bounds an order.
const maxSeries = 100

// The kinds of documents that a desk keeps.
const (
	jobKind    = "backtest"
	reportKind = "backtest-report"
)

// Desk runs backtests one after another in the background and keeps what came out.
// Create it with NewDesk and start it with Run.
type Desk struct {
	*desk.Desk[Job, *Job]
	cfg DeskConfig
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
	d := &Desk{cfg: cfg}
	forget := func(ctx context.Context, id string) error { return cfg.Store.DeleteDocument(ctx, reportKind, id) }
	var err error
	d.Desk, err = desk.New[Job, *Job](ctx, desk.Config[Job]{Name: jobKind, Prefix: "b", Store: cfg.Store, Work: d.walk, Forget: forget, Now: cfg.Now, Log: cfg.Log})
	return d, err
}

// Submit takes an order. The error wraps ErrOrder when it cannot be walked, and
// desk.ErrBusy when too many wait.
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
	return d.Desk.Submit(ctx, Job{Order: o, Pooled: []Pooled{}})
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

// walk runs a job and stores the report.
func (d *Desk) walk(ctx context.Context, job Job, update func(func(*Job))) error {
	inputs, opt, err := d.cfg.Prepare(ctx, &job.Order)
	if err != nil {
		return err
	}
	opt.Progress = func(done, total int64) {
		update(func(j *Job) { j.Bars, j.Total = max(j.Bars, done), total })
	}
	r, err := Run(ctx, job.Order.Spec, inputs, opt)
	var p *Panic
	if errors.As(err, &p) {
		d.cfg.Log.Error("a backtest panicked", "id", job.ID, "series", p.Series, "panic", p.Value, "stack", string(p.Stack))
	}
	if err != nil {
		return err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := d.cfg.Store.PutDocuments(ctx, store.Document{Kind: reportKind, Name: job.ID, At: r.Protocol.Created, Body: body}); err != nil {
		return err
	}
	update(func(j *Job) { j.Pooled = r.Pooled })
	return nil
}

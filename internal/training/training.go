// Package training trains networks on stored series in the background of a running
// Foretick: orders wait their turn, can be watched and cancelled, and go on after a restart
// where their last checkpoint stands.
package training

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Plan says what networks are to be trained on what.
type Plan struct {
	Name    string            `json:"name" doc:"Model that the version will belong to."`
	Series  []market.SeriesID `json:"series" doc:"Stored series to learn from, all of one interval."`
	Until   market.Time       `json:"until" doc:"Bars that end later are left out: the time of the order, unless another was given."`
	Options neural.Options    `json:"options"`
}

// Training is one that was ordered.
type Training struct {
	desk.Head
	Plan     Plan           `json:"plan"`
	Progress float64        `json:"progress" doc:"Share done at most, 0 to 1: restarts often end early."`
	Curve    []neural.Point `json:"curve" doc:"Losses by epoch so far."`
	Version  string         `json:"version,omitempty" doc:"ID of the version, when it is done."`
}

// ErrOrder says what is wrong with an order; it is wrapped with details.
var ErrOrder = errors.New("training: bad order")

// maxSeries bounds an order.
const maxSeries = 1000

// The kinds of documents that a desk keeps.
const (
	jobKind        = "training"
	checkpointKind = "training-checkpoint"
)

// checkpointEvery is how much work a kill may cost.
const checkpointEvery = 10 * time.Second

// Config says what a desk works with. Only Log may be nil.
type Config struct {
	Store store.DocumentStore
	// Check says what is wrong with an order's name and series; the error wraps ErrOrder.
	Check func(ctx context.Context, o *Plan) error
	// Read collects the samples of an order.
	Read func(ctx context.Context, o *Plan) (*neural.Samples, error)
	// Put stores the version.
	Put func(ctx context.Context, o *Plan, v *neural.Trained) error
	Now func() time.Time
	Log *slog.Logger
}

// Desk runs trainings one after another. Create it with NewDesk and start it with Run.
type Desk struct {
	*desk.Desk[Training, *Training]
	cfg Config
}

// NewDesk returns a desk with the trainings that are in the store. Those that an earlier
// process left unfinished wait again.
func NewDesk(ctx context.Context, cfg Config) (*Desk, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{cfg: cfg}
	forget := func(ctx context.Context, id string) error { return cfg.Store.DeleteDocument(ctx, checkpointKind, id) }
	var err error
	d.Desk, err = desk.New[Training, *Training](ctx, desk.Config[Training]{Name: jobKind, Prefix: "t", Store: cfg.Store, Work: d.train, Forget: forget, Resume: true, Now: cfg.Now, Log: cfg.Log})
	return d, err
}

// Submit takes an order. One that names no time learns from the bars that have ended by
// now: series that grow would else be others when the training is taken up after a restart,
// and it would have to begin anew. The error wraps ErrOrder when it cannot be carried out,
// and desk.ErrBusy when too many wait.
func (d *Desk) Submit(ctx context.Context, o Plan) (Training, error) {
	if len(o.Series) == 0 || len(o.Series) > maxSeries {
		return Training{}, fmt.Errorf("%w: %d series; choose 1 to %d", ErrOrder, len(o.Series), maxSeries)
	}
	o.Series = slices.Clone(o.Series)
	slices.Sort(o.Series)
	o.Series = slices.Compact(o.Series)
	if err := o.Options.Validate(); err != nil {
		return Training{}, fmt.Errorf("%w: %w", ErrOrder, err)
	}
	if o.Until <= 0 {
		o.Until = market.TimeOf(d.cfg.Now())
	}
	if err := d.cfg.Check(ctx, &o); err != nil {
		return Training{}, err
	}
	return d.Desk.Submit(ctx, Training{Plan: o, Curve: []neural.Point{}})
}

// train runs a job. One goroutine learns, so that the others of the machine are there for
// what is live.
func (d *Desk) train(ctx context.Context, job Training, update func(func(*Training))) error {
	samples, err := d.cfg.Read(ctx, &job.Plan)
	if err != nil {
		return err
	}
	o := job.Plan.Options
	o.Workers = 1
	t, err := neural.NewTrainer(samples, o)
	if err != nil {
		return err
	}
	switch doc, err := d.cfg.Store.Document(ctx, checkpointKind, job.ID); {
	case err == nil:
		if err := t.Resume(doc.Body); errors.Is(err, forecast.ErrArchive) {
			d.cfg.Log.Warn("a training begins anew: its series have changed", "training", job.ID, "err", err)
		}
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	show := func() {
		curve, progress := t.Curve(), t.Progress()
		update(func(j *Training) { j.Curve, j.Progress = append([]neural.Point{}, curve...), progress })
	}
	show()
	kept := d.cfg.Now()
	keep := func() {
		kept = d.cfg.Now()
		if err := d.cfg.Store.PutDocuments(context.WithoutCancel(ctx), store.Document{Kind: checkpointKind, Name: job.ID, At: market.TimeOf(kept), Body: t.Checkpoint()}); err != nil {
			d.cfg.Log.Warn("a checkpoint could not be kept", "training", job.ID, "err", err)
		}
	}
	for !t.Done() {
		if _, err := t.Epoch(ctx); err != nil {
			keep() // what is interrupted goes on from here; what is cancelled is forgotten
			return err
		}
		show()
		if d.cfg.Now().Sub(kept) >= checkpointEvery {
			keep()
		}
	}
	v, err := t.Trained(ctx, 0)
	if err != nil {
		return err
	}
	if err := d.cfg.Put(ctx, &job.Plan, v); err != nil {
		return err
	}
	update(func(j *Training) { j.Version, j.Progress = v.ID(), 1 })
	return d.cfg.Store.DeleteDocument(ctx, checkpointKind, job.ID)
}

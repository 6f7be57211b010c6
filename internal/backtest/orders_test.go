package backtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// clerk is a desk over a real store in a bubble; at is called when a walk has come so far.
type clerk struct {
	*backtest.Desk
	st   store.Store
	at   func(done, total int64)
	fail error
}

func newClerk(t *testing.T, st store.Store) *clerk {
	t.Helper()
	c := &clerk{st: st}
	in := walked(forecasttest.Walk(1, 700))
	var err error
	c.Desk, err = backtest.NewDesk(t.Context(), backtest.DeskConfig{Store: st, Now: time.Now,
		Check: func(_ context.Context, o *backtest.Order) error {
			if o.Series[0] != in.Series.ID() {
				return fmt.Errorf("%w: there is no series %q", backtest.ErrOrder, o.Series[0])
			}
			return nil
		},
		Prepare: func(context.Context, *backtest.Order) ([]backtest.Input, backtest.Options, error) {
			return []backtest.Input{in}, backtest.Options{Jobs: 1, Lead: "ewma", Version: "test", Now: func() time.Time { return noon },
				Forecasters: func(string) []forecast.Forecaster { return []forecast.Forecaster{naive.New(), watching{c}} }}, c.fail
		}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// watching is ewma, and tells how far the job has come when it is fitted.
type watching struct{ c *clerk }

func (watching) Name() string { return "ewma" }

func (w watching) Fit(ctx context.Context, win forecast.Window) (forecast.Fitted, error) {
	if w.c.at != nil {
		for _, j := range w.c.Jobs() {
			if j.State == desk.Running {
				w.c.at(j.Bars, j.Total)
			}
		}
	}
	return ewma.New().Fit(ctx, win)
}

var small1 = backtest.Order{Series: []market.SeriesID{"test:W@1d"}, Spec: backtest.Spec{Horizons: []int{1}}}

func (c *clerk) order(t *testing.T) string {
	t.Helper()
	j, err := c.Submit(t.Context(), small1)
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

// work runs the desk until everybody waits.
func (c *clerk) work(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	synctest.Wait()
	stop()
	running.Wait()
}

func (c *clerk) is(t *testing.T, id string, want desk.State) backtest.Job {
	t.Helper()
	j, err := c.Job(id)
	if err != nil || j.State != want {
		t.Fatalf("%+v, %v; want it %s", j, err, want)
	}
	return j
}

// A job tells how far it has come, and never goes back.
func TestOrderProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClerk(t, open(t, t.TempDir()))
		id := c.order(t)
		var seen []int64
		c.at = func(done, total int64) {
			if done > 0 && total != 700 || len(seen) > 0 && done < seen[len(seen)-1] {
				t.Errorf("%d of %d, after %v", done, total, seen)
			}
			seen = append(seen, done)
		}
		c.work(t)
		j := c.is(t, id, desk.Done)
		if j.Bars != 700 || j.Total != 700 || len(j.Pooled) != 2 || len(seen) < 5 || seen[len(seen)-1] < 600 {
			t.Errorf("%+v; seen %v", j, seen)
		}
	})
}

// A job that is cancelled anywhere leaves no report, and the next one is done as if it had been
// alone.
func TestOrderCancelled(t *testing.T) {
	var alone []byte
	for _, when := range []int64{0, 512, 640} {
		synctest.Test(t, func(t *testing.T) {
			c := newClerk(t, open(t, t.TempDir()))
			first, next := c.order(t), c.order(t)
			c.at = func(done, _ int64) {
				if done >= when {
					c.at = nil
					if err := c.Delete(t.Context(), first); err != nil {
						t.Error(err)
					}
				}
			}
			c.work(t)
			j := c.is(t, first, desk.Cancelled)
			if j.Error != "" || len(j.Pooled) != 0 || j.Bars < when || j.Bars == 700 {
				t.Errorf("%+v", j)
			}
			if _, err := c.Report(t.Context(), first); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("its report: %v", err)
			}
			c.is(t, next, desk.Done)
			r, err := c.Report(t.Context(), next)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if alone == nil {
				alone = text
			}
			if string(text) != string(alone) {
				t.Error("what was cancelled before it changes the report")
			}
		})
	}
}

// What a stop interrupts has failed in words, and ordered again in the next process it gives what it
// would have given; a report that is there is there in the next process.
func TestOrderAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := open(t, t.TempDir())
		c := newClerk(t, st)
		done := c.order(t)
		c.work(t)
		want, err := c.Report(t.Context(), done)
		if err != nil {
			t.Fatal(err)
		}
		id := c.order(t)
		ctx, stop := context.WithCancel(t.Context())
		c.at = func(n, _ int64) {
			if n >= 512 {
				stop()
			}
		}
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		c = newClerk(t, st)
		if j := c.is(t, id, desk.Failed); j.Error != "Foretick was stopped before it was done; order it again" {
			t.Errorf("%q", j.Error)
		}
		again := c.order(t)
		c.work(t)
		c.is(t, again, desk.Done)
		for _, id := range []string{done, again} {
			r, err := c.Report(t.Context(), id)
			if err != nil || render(t, r) != render(t, want) {
				t.Errorf("%s: another report (%v)", id, err)
			}
		}
		if list := c.Jobs(); len(list) != 3 || list[0].ID != again || list[2].ID != done {
			t.Errorf("%+v", list)
		}
	})
}

// What is wrong with an order, or with what is stored of it, is said in words.
func TestOrderInWords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := open(t, t.TempDir())
		c := newClerk(t, st)
		for name, k := range map[string]struct {
			order backtest.Order
			want  string
		}{
			"no series":      {backtest.Order{}, "backtest: bad order: 0 series; choose 1 to 100"},
			"too many":       {backtest.Order{Series: make([]market.SeriesID, 101)}, "backtest: bad order: 101 series; choose 1 to 100"},
			"an unknown one": {backtest.Order{Series: []market.SeriesID{"test:X@1d"}}, `backtest: bad order: there is no series "test:X@1d"`},
			"a bad spec":     {backtest.Order{Series: small1.Series, Spec: backtest.Spec{BurnIn: 7}}, "backtest: bad order: burn-in of 7 bars: choose 30 to 1,000,000"},
		} {
			if _, err := c.Submit(t.Context(), k.order); !errors.Is(err, backtest.ErrOrder) || err.Error() != k.want {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A hundred are taken, each once.
		list := make([]market.SeriesID, 100)
		for i := range list {
			list[i] = "test:W@1d"
		}
		j, err := c.Submit(t.Context(), backtest.Order{Series: list})
		if err != nil || len(j.Order.Series) != 1 || j.Order.BurnIn != backtest.DefaultBurnIn || j.Order.Refit != backtest.DefaultRefit {
			t.Errorf("%+v, %v", j.Order, err)
		}
		c.fail = errors.New("its bars are gone")
		c.work(t)
		if j := c.is(t, j.ID, desk.Failed); j.Error != "its bars are gone" {
			t.Errorf("%q", j.Error)
		}
		c.fail = nil
		id := c.order(t)
		c.work(t)
		if err := st.PutDocuments(t.Context(), store.Document{Kind: "backtest-report", Name: id, Body: []byte("{")}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Report(t.Context(), id); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), id) {
			t.Errorf("a damaged report: %v", err)
		}
		if _, err := c.Report(t.Context(), "b0"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a report of nothing: %v", err)
		}
	})
}

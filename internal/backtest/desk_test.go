package backtest_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/market"
)

// newDesk is a desk over a real store whose only series is FX; hold, unless nil, is
// waited for before a walk begins.
func newDesk(t *testing.T, st store.Store, hold chan struct{}) *backtest.Desk {
	t.Helper()
	in := input(t, "FX")
	check := func(_ context.Context, o *backtest.Order) error {
		if o.Series[0] != in.Series.ID() {
			return fmt.Errorf("%w: there is no series %q", backtest.ErrOrder, o.Series[0])
		}
		return nil
	}
	d, err := backtest.NewDesk(t.Context(), backtest.DeskConfig{Store: st, Check: check, Now: func() time.Time { return noon },
		Prepare: func(ctx context.Context, o *backtest.Order) ([]backtest.Input, backtest.Options, error) {
			if hold != nil {
				select {
				case <-hold:
				case <-ctx.Done():
					return nil, backtest.Options{}, ctx.Err()
				}
			}
			return []backtest.Input{in}, options(1), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t *testing.T, dir string) store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// serve runs d until the returned function is called.
func serve(t *testing.T, d *backtest.Desk) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func await(t *testing.T, d *backtest.Desk, id string, want desk.State) backtest.Job {
	t.Helper()
	for {
		j, err := d.Job(id)
		if err != nil {
			t.Fatal(err)
		}
		if j.State == want {
			return j
		}
		if j.State != desk.Queued && j.State != desk.Running {
			t.Fatalf("the job is %s (%s), want %s", j.State, j.Error, want)
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the test ended first")
		case <-time.After(time.Millisecond):
		}
	}
}

var order = backtest.Order{Series: []market.SeriesID{"file:FX@1d"}, Spec: backtest.Spec{Last: 700}}

// A backtest that was ordered is walked, stored, found again by the next process, and
// forgotten on demand.
func TestDesk(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := filepath.Join(t.TempDir(), "data")
	st := open(t, dir)
	d := newDesk(t, st, nil)
	stop := serve(t, d)
	j, err := d.Submit(t.Context(), order)
	if err != nil || j.State != desk.Queued || j.ID == "" {
		t.Fatalf("%+v, %v", j, err)
	}
	j = await(t, d, j.ID, desk.Done)
	if j.Bars != 700 || j.Total != 700 || len(j.Pooled) != 6 {
		t.Errorf("%+v", j)
	}
	r, err := d.Report(t.Context(), j.ID)
	if err != nil || len(r.Results) != 6 {
		t.Fatalf("%+v, %v", r, err)
	}
	stop()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}

	st = open(t, dir)
	d = newDesk(t, st, nil)
	if list := d.Jobs(); len(list) != 1 || list[0].State != desk.Done {
		t.Fatalf("after a restart there are %+v", list)
	}
	if err := d.Delete(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Report(t.Context(), j.ID); !errors.Is(err, store.ErrNotFound) || len(d.Jobs()) != 0 {
		t.Errorf("it is still there: %v", err)
	}
	if err := d.Delete(t.Context(), j.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleting it again gives %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDeskCancels(t *testing.T) {
	hold := make(chan struct{})
	st := open(t, t.TempDir())
	d := newDesk(t, st, hold)
	defer serve(t, d)()
	first, err := d.Submit(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Submit(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	await(t, d, first.ID, desk.Running)
	for _, id := range []string{second.ID, first.ID} { // one that waits, one that runs
		if err := d.Delete(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		await(t, d, id, desk.Cancelled)
	}
	if list := d.Jobs(); len(list) != 2 || list[0].ID != second.ID {
		t.Errorf("%+v", list)
	}
}

// A backtest can be cancelled from the first moment that it is seen to run.
func TestDeskCancelsAtOnce(t *testing.T) {
	d := newDesk(t, open(t, t.TempDir()), make(chan struct{}))
	defer serve(t, d)()
	for range 200 {
		j, err := d.Submit(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		for j.State == desk.Queued {
			if j, err = d.Job(j.ID); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Delete(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		await(t, d, j.ID, desk.Cancelled)
	}
}

func TestDeskRefuses(t *testing.T) {
	d := newDesk(t, open(t, t.TempDir()), nil) // nobody works
	for name, o := range map[string]backtest.Order{
		"no series":      {},
		"unknown series": {Series: []market.SeriesID{"sim:NO@1s"}},
		"bad spec":       {Series: order.Series, Spec: backtest.Spec{BurnIn: 1}},
		"many series":    {Series: make([]market.SeriesID, 101)},
	} {
		if _, err := d.Submit(t.Context(), o); !errors.Is(err, backtest.ErrOrder) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range 17 {
		_, err := d.Submit(t.Context(), order)
		if busy := errors.Is(err, desk.ErrBusy); busy != (i == 16) {
			t.Errorf("order %d: %v", i, err)
		}
	}
}

// What a killed process left unfinished has failed, and says so.
func TestDeskAfterAKill(t *testing.T) {
	dir := t.TempDir()
	st := open(t, dir)
	d := newDesk(t, st, nil)
	j, err := d.Submit(t.Context(), order)
	if err != nil {
		t.Fatal(err)
	}
	d = newDesk(t, st, nil)
	if got, err := d.Job(j.ID); err != nil || got.State != desk.Failed || !strings.Contains(got.Error, "stopped") {
		t.Errorf("%+v, %v", got, err)
	}
	next, err := d.Submit(t.Context(), order)
	if err != nil || next.ID == j.ID {
		t.Errorf("the next job is %+v, %v", next, err)
	}
}

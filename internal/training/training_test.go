package training_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/internal/training"
	"github.com/foretick/foretick/market"
)

func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// small are options that learn in a moment.
func small() neural.Options {
	o := neural.Defaults()
	o.Units, o.Steps, o.Warm, o.Epochs, o.Patience, o.Restarts, o.Ensemble = 2, 16, 4, 4, 4, 2, 2
	return o
}

// order is to learn from the first bars of one series.
func order() training.Plan {
	return training.Plan{Name: "mine", Series: []market.SeriesID{"file:INDEX@1d"}, Options: small()}
}

// samples are the first n bars.
func samples(t *testing.T, n int) *neural.Samples {
	t.Helper()
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/INDEX.csv"))
	s := neural.NewSamples(market.Day)
	if err := s.Add(t.Context(), "file:INDEX@1d", bars[:n], nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// alone is what the plan gives when nothing interrupts it.
func alone(t *testing.T, s *neural.Samples) *neural.Trained {
	t.Helper()
	tr, err := neural.NewTrainer(s, small())
	if err != nil {
		t.Fatal(err)
	}
	return learnt(t, tr)
}

// learnt is what a trainer gives that nobody interrupts.
func learnt(t *testing.T, tr *neural.Trainer) *neural.Trained {
	t.Helper()
	for !tr.Done() {
		if _, err := tr.Epoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	v, err := tr.Trained(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// school is a desk over a real store, whose training the test can look at after each epoch.
type school struct {
	*training.Desk
	st    store.DocumentStore
	bars  int
	fail  error // of Read
	full  error // of Put
	epoch func(n int)
	put   []*neural.Trained
	log   bytes.Buffer

	running bool
	epochs  int
	at      time.Time
}

// now is asked after each epoch; by then enough time has passed for a checkpoint.
func (s *school) now() time.Time {
	s.at = s.at.Add(11 * time.Second)
	if s.running {
		if s.epochs++; s.epoch != nil && s.epochs%2 == 0 { // asked once more for the checkpoint
			s.epoch(s.epochs / 2)
		}
	}
	return s.at
}

func newSchool(t *testing.T, st store.DocumentStore) *school {
	t.Helper()
	s := &school{st: st, bars: 700, at: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)}
	var err error
	s.Desk, err = training.NewDesk(t.Context(), training.Config{Store: st,
		Check: func(_ context.Context, o *training.Plan) error {
			if o.Series[0] != "file:INDEX@1d" {
				return fmt.Errorf("%w: there is no series %q", training.ErrOrder, o.Series[0])
			}
			return nil
		},
		Read: func(context.Context, *training.Plan) (*neural.Samples, error) {
			s.running, s.epochs = true, 0
			if s.fail != nil {
				return nil, s.fail
			}
			return samples(t, s.bars), nil
		},
		Put: func(_ context.Context, o *training.Plan, v *neural.Trained) error {
			s.running = false
			if o.Name != "mine" {
				t.Errorf("a version of %q", o.Name)
			}
			s.put = append(s.put, v)
			return s.full
		},
		Now: s.now, Log: slog.New(slog.NewTextHandler(&s.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *school) submit(t *testing.T) string {
	t.Helper()
	j, err := s.Submit(t.Context(), order())
	if err != nil || j.State != desk.Queued || j.Progress != 0 || j.Curve == nil || j.Version != "" {
		t.Fatalf("%+v, %v", j, err)
	}
	return j.ID
}

// run works until everybody waits, or until epoch calls stop, and returns the job.
func (s *school) run(t *testing.T, id string, epoch func(n int, stop func())) training.Training {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if epoch != nil {
		s.epoch = func(n int) { epoch(n, cancel) }
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.running = false
	j, err := s.Job(id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (s *school) checkpoint(t *testing.T, id string) []byte {
	t.Helper()
	d, err := s.st.Document(t.Context(), "training-checkpoint", id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return d.Body
}

// A training can be watched, and its version is put: the one that learning without a desk
// gives.
func TestTraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchool(t, openStore(t, t.TempDir()))
		id := s.submit(t)
		var last training.Training
		j := s.run(t, id, func(n int, _ func()) {
			j, err := s.Job(id)
			if err != nil || j.State != desk.Running || len(j.Curve) != n || !(j.Progress > last.Progress) || j.Progress > 1 || j.Version != "" {
				t.Errorf("after epoch %d: %+v, %v", n, j, err)
			}
			if !slices.Equal(j.Curve[:n-1], last.Curve) {
				t.Errorf("epoch %d changed the curve before it", n)
			}
			last = j
		})
		want := alone(t, samples(t, 700))
		if j.State != desk.Done || j.Error != "" || j.Progress != 1 || j.Version != want.ID() || !slices.Equal(j.Curve, want.About().Curve) {
			t.Errorf("%+v, want the version %s", j, want.ID())
		}
		if len(s.put) != 1 || s.put[0].ID() != j.Version || len(last.Curve) != len(j.Curve) {
			t.Errorf("%d versions were put, %d epochs seen", len(s.put), len(last.Curve))
		}
		if s.checkpoint(t, id) != nil || s.log.Len() > 0 {
			t.Errorf("left are a checkpoint of %d bytes and %s", len(s.checkpoint(t, id)), &s.log)
		}
		again := newSchool(t, s.st)
		if k, err := again.Job(id); err != nil || k.State != desk.Done || k.Version != j.Version || !slices.Equal(k.Curve, j.Curve) {
			t.Errorf("after a restart: %+v, %v", k, err)
		}
	})
}

// A training that is stopped after any epoch goes on in the next process, over the same
// file, and gives the same version to the last bit.
func TestStoppedAndResumed(t *testing.T) {
	want := alone(t, samples(t, 700))
	epochs := len(want.About().Curve)
	if epochs < 6 {
		t.Fatalf("%d epochs are too few to be interrupted", epochs)
	}
	for _, after := range []int{1, 4, 5, epochs - 1} { // 4: at the end of a restart
		t.Run(fmt.Sprintf("after epoch %d", after), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				st := openStore(t, dir)
				s := newSchool(t, st)
				id := s.submit(t)
				s.run(t, id, func(n int, stop func()) {
					if n == after {
						stop()
					}
				})
				if len(s.put) != 0 {
					t.Fatal("the training has ended before it was stopped")
				}
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}

				s = newSchool(t, openStore(t, dir))
				if j, err := s.Job(id); err != nil || j.State != desk.Queued {
					t.Fatalf("%+v, %v", j, err)
				}
				seen := 0
				j := s.run(t, id, func(int, func()) {
					if j, err := s.Job(id); err != nil || len(j.Curve) != after+seen+1 {
						t.Errorf("the next epoch is the %dth (%v), want the %dth", len(j.Curve), err, after+seen+1)
					}
					seen++
				})
				if j.State != desk.Done || j.Version != want.ID() || after+seen != epochs {
					t.Errorf("%s with the version %s after %d more epochs, want %s after %d", j.State, j.Version, seen, want.ID(), epochs-after)
				}
				if s.checkpoint(t, id) != nil || s.log.Len() > 0 {
					t.Errorf("left are a checkpoint and %s", &s.log)
				}
			})
		})
	}
}

// A process that is killed has not been able to say anything: what it kept on the way is
// enough.
func TestKilledAndResumed(t *testing.T) {
	want := alone(t, samples(t, 700))
	synctest.Test(t, func(t *testing.T) {
		s := newSchool(t, openStore(t, t.TempDir()))
		id := s.submit(t)
		ordered, err := s.st.Document(t.Context(), "training", id)
		if err != nil {
			t.Fatal(err)
		}
		var kept []byte
		s.run(t, id, func(n int, stop func()) {
			if n == 4 {
				kept = s.checkpoint(t, id)
				stop()
			}
		})
		if kept == nil {
			t.Fatal("nothing was kept on the way")
		}
		st := openStore(t, t.TempDir()) // as the killed process left it
		if err := st.PutDocuments(t.Context(), ordered, store.Document{Kind: "training-checkpoint", Name: id, Body: kept}); err != nil {
			t.Fatal(err)
		}
		s = newSchool(t, st)
		seen := 0
		if j := s.run(t, id, func(int, func()) { seen++ }); j.State != desk.Done || j.Version != want.ID() || s.log.Len() > 0 {
			t.Errorf("%+v, want %s; log %s", j, want.ID(), &s.log)
		}
		if rest := len(want.About().Curve) - seen; rest != 3 { // the fourth had not been kept yet
			t.Errorf("it went on after epoch %d, want 3", rest)
		}
	})
}

// A checkpoint that is not of these series is of no use: the training begins anew, and says
// so. So does one that is damaged.
func TestBeginsAnew(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, s *school, id string){
		"longer series": func(_ *testing.T, s *school, _ string) { s.bars = 720 },
		"damaged": func(t *testing.T, s *school, id string) {
			b := s.checkpoint(t, id)
			if err := s.st.PutDocuments(t.Context(), store.Document{Kind: "training-checkpoint", Name: id, Body: b[:len(b)/2]}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := openStore(t, t.TempDir())
				s := newSchool(t, st)
				id := s.submit(t)
				s.run(t, id, func(n int, stop func()) {
					if n == 3 {
						stop()
					}
				})
				s = newSchool(t, st)
				change(t, s, id)
				j := s.run(t, id, nil)
				if want := alone(t, samples(t, s.bars)); j.State != desk.Done || j.Version != want.ID() || !slices.Equal(j.Curve, want.About().Curve) {
					t.Errorf("%+v, want %s", j, want.ID())
				}
				if n := strings.Count(s.log.String(), "level=WARN"); n != 1 || !strings.Contains(s.log.String(), "begins anew") || !strings.Contains(s.log.String(), id) {
					t.Errorf("log: %s", &s.log)
				}
			})
		})
	}
}

// A training that is cancelled while it learns leaves nothing but the word.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSchool(t, openStore(t, t.TempDir()))
		id := s.submit(t)
		next := s.submit(t)
		kept := false
		s.run(t, id, func(n int, _ func()) {
			if n == 3 && !kept {
				if kept = s.checkpoint(t, id) != nil; !kept {
					t.Error("there is no checkpoint to be forgotten")
				}
				if err := s.Delete(t.Context(), id); err != nil {
					t.Error(err)
				}
			}
		})
		if j, err := s.Job(id); err != nil || j.State != desk.Cancelled || j.Version != "" || len(j.Curve) != 3 {
			t.Errorf("%+v, %v", j, err)
		}
		if s.checkpoint(t, id) != nil {
			t.Error("its checkpoint is still there")
		}
		if j, err := s.Job(next); err != nil || j.State != desk.Done || len(s.put) != 1 {
			t.Errorf("the next one is %+v, %v", j, err)
		}
		if err := s.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
		if _, err := s.Job(id); !errors.Is(err, store.ErrNotFound) {
			t.Error(err)
		}
	})
}

// What goes wrong is said in words.
func TestFails(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *school)
		words  []string
	}{
		"read":       {func(s *school) { s.fail = errors.New("series file:INDEX@1d: its bars are gone") }, []string{"its bars are gone"}},
		"no samples": {func(s *school) { s.bars = 50 }, []string{"no series has more than", "usable bars"}},
		"few":        {func(s *school) { s.bars = 100 }, []string{"give more or longer series"}},
		"put":        {func(s *school) { s.full = errors.New("the disk is full") }, []string{"the disk is full"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSchool(t, openStore(t, t.TempDir()))
				c.change(s)
				id := s.submit(t)
				j := s.run(t, id, nil)
				if j.State != desk.Failed || j.Version != "" {
					t.Errorf("%+v", j)
				}
				for _, w := range c.words {
					if !strings.Contains(j.Error, w) {
						t.Errorf("%q does not say %q", j.Error, w)
					}
				}
				if s.checkpoint(t, id) != nil {
					t.Error("a checkpoint is left")
				}
			})
		})
	}
}

func TestRefuses(t *testing.T) {
	s := newSchool(t, openStore(t, t.TempDir())) // nobody works
	for name, c := range map[string]struct {
		change func(o *training.Plan)
		words  string
	}{
		"no series":      {func(o *training.Plan) { o.Series = nil }, "0 series; choose 1 to 1000"},
		"many series":    {func(o *training.Plan) { o.Series = make([]market.SeriesID, 1001) }, "1001 series"},
		"unknown series": {func(o *training.Plan) { o.Series = []market.SeriesID{"sim:NO@1s"} }, "there is no series"},
		"units":          {func(o *training.Plan) { o.Options.Units = 0 }, "unit"},
		"cell":           {func(o *training.Plan) { o.Options.Cell = "rnn" }, "rnn"},
		"steps":          {func(o *training.Plan) { o.Options.Steps = 1 }, "steps 1; choose 2 to 1000"},
		"rate":           {func(o *training.Plan) { o.Options.Rate = -1 }, "rate -1; choose"},
		"ensemble":       {func(o *training.Plan) { o.Options.Ensemble = 3 }, "ensemble 3; choose 1 to 2"},
	} {
		o := order()
		c.change(&o)
		if _, err := s.Submit(t.Context(), o); !errors.Is(err, training.ErrOrder) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.Jobs()) != 0 {
		t.Errorf("%+v", s.Jobs())
	}
	// Series are sorted and taken once; the caller's list stays as it is.
	o := order()
	o.Series = []market.SeriesID{"file:STOCK@1d", "file:INDEX@1d", "file:STOCK@1d"}
	j, err := s.Submit(t.Context(), o)
	if err != nil || !slices.Equal(j.Plan.Series, []market.SeriesID{"file:INDEX@1d", "file:STOCK@1d"}) || o.Series[0] != "file:STOCK@1d" {
		t.Errorf("%+v, %v, and the caller's %v", j, err, o.Series)
	}
	// Without a time it is now that bounds the bars: a series may grow while it is learnt from.
	if at := market.TimeOf(s.at); !(j.Plan.Until > 0 && j.Plan.Until <= at) {
		t.Errorf("bars up to %s at %s", j.Plan.Until, at)
	}
	o.Until = 86400_000_000
	if j, err = s.Submit(t.Context(), o); err != nil || j.Plan.Until != o.Until {
		t.Errorf("bars up to %s (%v), want %s", j.Plan.Until, err, o.Until)
	}
	for i := range 15 {
		_, err := s.Submit(t.Context(), order())
		if busy := errors.Is(err, desk.ErrBusy); busy != (i == 14) {
			t.Errorf("order %d: %v", i+3, err)
		}
	}
}

package guard_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/guard"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// world is a guarded store.
type world struct {
	t     *testing.T
	dir   string
	store store.Store
	id    market.SeriesID
	chain storetest.Chain
	n     int
	log   bytes.Buffer
	reg   *prometheus.Registry
	now   time.Time
	guard *guard.Guard
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), reg: prometheus.NewRegistry(), now: time.Unix(1_700_000_000, 0)}
	var err error
	if w.store, err = sqlite.Open(t.Context(), w.dir, sqlite.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	rec := storetest.Series("A")
	w.id = rec.ID()
	w.chain = storetest.Chain{ID: w.id, Mode: ledger.Live}
	if err := w.store.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	w.guard, err = guard.New(guard.Config{Store: w.store, Folder: w.dir, Now: func() time.Time { return w.now },
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Metrics: w.reg})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// add seals the forecasts of n more bars.
func (w *world) add(n int) {
	w.t.Helper()
	for range n {
		_, last, err := w.store.CommitBars(w.t.Context(), storetest.Bars(w.id, w.n, w.n+1))
		step := store.Step{Series: w.id, Cursor: store.Cursor{BarSeq: last}}
		if w.n == 0 {
			step.Entries = append(step.Entries, w.chain.Genesis())
		}
		step.Entries = append(step.Entries, w.chain.Outcome(w.n, 0), w.chain.Issue(w.n, 1, 2))
		if _, cerr := w.store.CommitStep(w.t.Context(), step); err != nil || cerr != nil {
			w.t.Fatal(errors.Join(err, cerr))
		}
		w.n++
	}
}

func (w *world) alter(sql string) {
	w.t.Helper()
	conn, err := zombiezen.OpenConn(filepath.Join(w.dir, sqlite.File), zombiezen.OpenReadWrite)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteTransient(conn, sql, nil), conn.Close()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) round() {
	w.t.Helper()
	if err := w.guard.Round(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// gauge is the value of a metric, -1 when it has none.
func (w *world) gauge(name string) float64 {
	w.t.Helper()
	families, err := w.reg.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && f.GetType() == dto.MetricType_GAUGE {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}

func TestRounds(t *testing.T) {
	w := newWorld(t)
	w.round()
	if g := w.gauge("foretick_ledger_verified_height"); g != 0 {
		t.Errorf("an empty chain is verified up to %v", g)
	}
	if w.gauge("foretick_store_free_bytes") <= 0 {
		t.Error("no free space is measured")
	}
	w.add(20)
	w.round()
	if g := w.gauge("foretick_ledger_verified_height"); g != 41 {
		t.Errorf("verified up to %v, want 41", g)
	}
	if g := w.gauge("foretick_ledger_broken"); g != 0 {
		t.Errorf("broken %v", g)
	}
	if g := w.gauge("foretick_ledger_verified_timestamp_seconds"); g != float64(w.now.Unix()) {
		t.Errorf("verified at %v", g)
	}
	w.add(5)
	w.round()
	if g := w.gauge("foretick_ledger_verified_height"); g != 51 || w.log.Len() > 0 {
		t.Errorf("verified up to %v, want 51; log %q", g, w.log.String())
	}
}

func TestFinds(t *testing.T) {
	for _, c := range []struct {
		name, sql, want string
		anew            bool // found only when the chain is read from its beginning
	}{
		{"a new entry was changed", "UPDATE ledger SET body = substr(body, 1, length(body) - 1) || x'00' WHERE num = 30", "entry 30:", false},
		{"a new entry is gone", "DELETE FROM ledger WHERE num = 45", "entry 45 is missing", false},
		{"the head is another", "UPDATE chain SET head_hash = zeroblob(32)", "the recorded head", false},
		{"an old entry was changed", "UPDATE ledger SET hash = zeroblob(32) WHERE num = 7", "entry 7:", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.add(10)
			w.round()
			w.add(15)
			w.alter(c.sql)
			w.round()
			if c.anew {
				if w.gauge("foretick_ledger_broken") != 0 {
					t.Fatal("what was verified is read again at once")
				}
				w.now = w.now.Add(25 * time.Hour)
				w.round()
			}
			if w.gauge("foretick_ledger_broken") != 1 || !strings.Contains(w.log.String(), c.want) || !strings.Contains(w.log.String(), "foretick restore") {
				t.Errorf("broken %v, log %q", w.gauge("foretick_ledger_broken"), w.log.String())
			}
			n := w.log.Len()
			w.round()
			if w.log.Len() != n {
				t.Errorf("said again: %q", w.log.String()[n:])
			}
		})
	}
}

// A store that cannot be read is no broken ledger: it is asked again.
func TestUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &failing{}
		reg := prometheus.NewRegistry()
		g, err := guard.New(guard.Config{Store: s, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: reg})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		time.Sleep(2*time.Minute + 10*time.Second) // of the bubble's clock
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s.asked != 3 || strings.Count(log.String(), "tried again") != 3 || strings.Contains(log.String(), "broken") {
			t.Errorf("asked %d times; log %q", s.asked, log.String())
		}
	})
}

type failing struct {
	store.Store
	asked int
}

func (f *failing) Series(context.Context) ([]store.SeriesRecord, error) {
	f.asked++
	return nil, store.ErrReadOnly
}

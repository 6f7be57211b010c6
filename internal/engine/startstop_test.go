package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/engine"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// TestStartStop stops the engine at any call of its store and starts another one on it: the
// chains are those of a track that nobody ever stopped.
func TestStartStop(t *testing.T) {
	t.Parallel()
	startstop.Exercise(t, (*engine.Engine).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*engine.Engine] {
		st, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		for _, s := range []market.Series{a, b} {
			if err := st.PutSeries(t.Context(), store.SeriesRecord{Series: s, Mode: ledger.Replay, Source: "test", Base: true}); err != nil {
				t.Fatal(err)
			}
		}
		notices := inproc.New()
		watched := storetest.Watched(st, w.Call)
		bars := 0
		return startstop.Subject[*engine.Engine]{
			New: func() *engine.Engine {
				e, err := engine.New(engine.Config{
					Store: watched, Bus: notices, Models: models, Horizons: track.UpTo(3),
					Calendars: func(market.Series) market.Calendar { return market.Always }, Now: time.Now, Metrics: prometheus.NewRegistry(),
				})
				if err != nil {
					t.Fatal(err)
				}
				return e
			},
			// Ten more bars, the first ones without a word to the engine.
			Busy: func(ctx context.Context, e *engine.Engine) {
				for range 10 {
					seq := commit(t, st, bars)
					bars++
					if bars%10 < 4 {
						continue
					}
					notices.Publish(bus.Notice{Seq: seq, Kind: "bar"})
					if bars%10 == 7 {
						e.Renew()
					}
					if err := e.Sync(ctx, seq); err != nil {
						if !errors.Is(err, ctx.Err()) {
							t.Error(err)
						}
					}
				}
			},
			Look: func(e *engine.Engine) {
				_ = e.Err()
				if _, err := e.Consumed(context.Background(), a.ID()); err != nil {
					t.Error(err)
				}
			},
			Check: func() {
				for k, s := range []market.Series{a, b} {
					head, cursor, err := st.Head(t.Context(), s.ID())
					if err != nil {
						t.Fatal(err)
					}
					if want := uninterrupted(t, s, k, bars); head != want || cursor.Inputs != digest(k, bars) {
						t.Errorf("%s after %d bars: head %v, want %v", s.ID(), bars, head, want)
					}
				}
			},
		}
	})
}

// commit commits bar i of both series, and returns the number of the event.
func commit(t *testing.T, st store.Store, i int) uint64 {
	var recs []store.BarRecord
	for k, s := range []market.Series{a, b} {
		recs = append(recs, store.BarRecord{Series: s.ID(), Bar: barOf(k, i)})
	}
	_, seq, err := st.CommitBars(context.Background(), recs)
	if err != nil {
		t.Error(err)
	}
	return seq
}

// uninterrupted is the head of a chain over so many bars of a replay.
func uninterrupted(t *testing.T, s market.Series, k, bars int) ledger.Head {
	t.Helper()
	tr, err := track.New(track.Config{Series: s, Mode: ledger.Replay, Horizons: track.UpTo(3), Models: models()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range bars {
		if _, err := tr.Advance(t.Context(), track.Input{Bar: barOf(k, i)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	return tr.Head()
}

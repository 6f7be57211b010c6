package app_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// parcels is a source that has as many bars as it has been given.
type parcels struct {
	w     *startstop.Watch
	given atomic.Int64
	more  chan struct{}
}

var parcelled = market.Series{Instrument: market.Instrument{Symbol: "P", Venue: "test", Calendar: "24x7"}, Interval: market.Minute}

func parcel(i int) market.Bar {
	start := market.TimeOf(time.Date(2024, 3, 4, 0, 0, 0, 0, time.UTC)) + market.Time(i)*60_000_000
	p := 100 + float64(i*7%13)
	return market.Bar{Start: start, End: market.Minute.End(start), Open: p, High: p + 1, Low: p - 1, Close: p, Volume: 5}
}

func (*parcels) Info() feed.Info {
	return feed.Info{Name: "test", Series: []market.Series{parcelled}, Replay: true}
}

// Run is feed.Source's.
func (p *parcels) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	next := 0
	if last, ok := resume(parcelled.ID()); ok {
		next = int((last-parcel(0).Start)/60_000_000) + 1
	}
	for {
		for next < int(p.given.Load()) {
			p.w.Call("the source")
			b := parcel(next)
			select {
			case out <- feed.Message{Instrument: parcelled.Instrument.Key(), Bars: []market.Bar{b}, Clock: b.End}:
				next++
			case <-ctx.Done():
				return nil
			}
		}
		select {
		case <-p.more:
		case <-ctx.Done():
			return nil
		}
	}
}

// give makes n bars more.
func (p *parcels) give(n int) {
	p.given.Add(int64(n))
	select {
	case p.more <- struct{}{}:
	default:
	}
}

// stepped is a store that tells when steps have been committed.
type stepped struct {
	store.Store
	told chan struct{}
}

func (s *stepped) CommitStep(ctx context.Context, steps ...store.Step) (uint64, error) {
	seq, err := s.Store.CommitStep(ctx, steps...)
	select {
	case s.told <- struct{}{}:
	default:
	}
	return seq, err
}

// TestStartStop stops the whole program at any call of its store or its source, lets calls panic,
// and starts it again on the same data folder: the ledger is that of a track that was never
// stopped.
func TestStartStop(t *testing.T) {
	names := []string{"naive", "ewma"}
	models, err := app.SelectModels(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	startstop.ExerciseInRealTime(t, (*app.App).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*app.App] {
		at := app.Place{Data: filepath.Join(t.TempDir(), "data")}
		src := &parcels{w: w, more: make(chan struct{}, 1)}
		told := make(chan struct{}, 1)
		digest := func() (h ledger.Hash) {
			for i := range int(src.given.Load()) {
				b := parcel(i)
				h = ledger.DigestBar(h, &b)
			}
			return h
		}
		var st store.Store
		return startstop.Subject[*app.App]{
			New: func() *app.App {
				var err error
				if st, err = at.Open(t.Context()); err != nil {
					t.Fatal(err)
				}
				watched := &stepped{storetest.Watched(st, w.Call), told}
				a, err := app.New(t.Context(), app.Config{Addr: "127.0.0.1:0", Data: at.Data, Feed: "replay", Speed: "1", Models: names, Horizons: 2, Log: "error"},
					app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard, Source: src, Store: watched})
				if err != nil {
					t.Fatal(err)
				}
				return a
			},
			Busy: func(ctx context.Context, a *app.App) {
				src.give(5)
				for want := digest(); ; {
					_, cursor, err := st.Head(t.Context(), parcelled.ID())
					if err == nil && cursor.Inputs == want {
						break
					}
					select {
					case <-told:
					case <-ctx.Done():
						return
					}
				}
				ask(ctx, a.URL()+"/v1/series")
				if err := a.Settle(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			},
			Look: func(a *app.App) { a.Feeds() },
			Check: func() {
				tr, err := track.New(track.Config{Series: parcelled, Mode: ledger.Replay, Horizons: track.UpTo(2), Models: catalog.Forecasters(models)})
				if err != nil {
					t.Fatal(err)
				}
				for i := range int(src.given.Load()) {
					if _, err := tr.Advance(t.Context(), track.Input{Bar: parcel(i)}, 0); err != nil {
						t.Fatal(err)
					}
				}
				chain := storedAt(t, at)[parcelled.ID()].chain
				if got := (ledger.Head{Seq: uint64(len(chain)), Hash: chain[len(chain)-1].Hash}); got != tr.Head() {
					t.Errorf("%d bars: the chain ends with %v, want %v", src.given.Load(), got, tr.Head())
				}
			},
			Drain: 5 * time.Second,
		}
	})
}

// ask sends a request whose answer is of no interest: the server may be about to stop.
func ask(ctx context.Context, url string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if a, err := client.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, a.Body)
		_ = a.Body.Close()
	}
}

// written is a data folder that somebody else writes to.
func written(t *testing.T) app.Place {
	at := app.Place{Data: filepath.Join(t.TempDir(), "data")}
	st, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if err := st.PutSeries(t.Context(), store.SeriesRecord{Series: parcelled, Mode: ledger.Replay, Source: "test", Base: true}); err != nil {
		t.Fatal(err)
	}
	return at
}

func reading(at app.Place, role string) app.Config {
	return app.Config{Addr: "127.0.0.1:0", Data: at.Data, Role: role, Feed: "replay", Speed: "1", Models: []string{"naive", "ewma"}, PredictModel: "ewma", Horizons: 2, Log: "error"}
}

func TestStartStopReader(t *testing.T) {
	startstop.ExerciseInRealTime(t, (*app.Reader).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*app.Reader] {
		at := written(t)
		return startstop.Subject[*app.Reader]{
			New: func() *app.Reader {
				r, err := app.NewReader(t.Context(), reading(at, app.RoleReader), app.Deps{Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
					w.Call("Now")
					return time.Now()
				}})
				if err != nil {
					t.Fatal(err)
				}
				return r
			},
			Busy: func(ctx context.Context, r *app.Reader) {
				for range 5 {
					ask(ctx, r.URL()+"/v1/series")
				}
			},
		}
	})
}

// standby is a process that waits for the writer to go.
type standby struct {
	cfg     app.Config
	deps    app.Deps
	started chan string
}

func (s *standby) run(ctx context.Context) error {
	return app.Serve(ctx, s.cfg, s.deps, func(url, _ string) { s.started <- url })
}

func TestStartStopStandby(t *testing.T) {
	startstop.ExerciseInRealTime(t, (*standby).run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*standby] {
		at := written(t)
		return startstop.Subject[*standby]{
			New: func() *standby {
				return &standby{cfg: reading(at, app.RoleStandby), started: make(chan string, 1), deps: app.Deps{Log: slog.New(slog.DiscardHandler), Stderr: io.Discard, Now: func() time.Time {
					w.Call("Now")
					return time.Now()
				}}}
			},
			Busy: func(ctx context.Context, s *standby) {
				select {
				case url := <-s.started:
					for range 5 {
						ask(ctx, url+"/v1/series")
					}
				case <-ctx.Done():
				}
			},
			Alone: true, // another one is another process
		}
	})
}

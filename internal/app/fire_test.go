package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// gated is a source that passes on as much as it is allowed to, and knows whether it is held up.
type gated struct {
	feed.Source
	allowed chan int
	heldUp  atomic.Bool
}

// Run is feed.Source's.
func (g *gated) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	in := make(chan feed.Message)
	done := make(chan error, 1)
	go func() {
		err := g.Source.Run(ctx, resume, in)
		close(in)
		done <- err
	}()
	left := 0
	for m := range in {
		for left == 0 {
			select {
			case n := <-g.allowed:
				left += n
			case <-ctx.Done():
				left = 1
			}
		}
		left--
		select {
		case out <- m:
			continue
		default:
		}
		g.heldUp.Store(true)
		select {
		case out <- m:
		case <-ctx.Done():
		}
		g.heldUp.Store(false)
	}
	return <-done
}

// blaze is a program whose store is under fire.
type blaze struct {
	*testing.T
	app    *app.App
	source *gated
	file   *csv.File
	place  app.Place
	want   map[market.SeriesID]*run
	stop   func()
}

// newBlaze starts the program on a store, with a source that waits to be allowed.
func newBlaze(t *testing.T, at app.Place) *blaze {
	t.Helper()
	f := readMany(t, minutes).File
	names := []string{"naive", "ewma"}
	models, err := app.SelectModels(names, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &blaze{T: t, file: f, place: at}
	if b.want, err = drive(f, 2, nil, models); err != nil {
		t.Fatal(err)
	}
	replay, err := catalog.NewReplay([]*csv.File{f}, 0, 0, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b.source = &gated{Source: replay, allowed: make(chan int, 10)}
	cfg := app.Config{Addr: "127.0.0.1:0", Data: at.Data, Store: at.Store, Feed: "replay", Speed: "1", Models: names, Horizons: 2, Log: "error"}
	ctx, stop := context.WithCancel(t.Context())
	b.app, err = app.New(ctx, cfg, app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard, Source: b.source})
	if err != nil {
		stop()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- b.app.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// until waits for something to become true.
func (b *blaze) until(what string, f func() bool) {
	b.Helper()
	for deadline := time.Now().Add(60 * time.Second); !f(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_, reason := b.ready()
			b.Fatalf("%s: not within a minute; ready says %q, feeds %+v", what, reason, b.app.Feeds())
		}
	}
}

// stored waits until n bars are.
func (b *blaze) stored(n int) {
	b.Helper()
	b.until("bars are stored", func() bool { return b.app.Feeds()[0].Bars >= uint64(n) })
}

// ready asks as an orchestrator does. It must be answered soon, whatever the store does.
func (b *blaze) ready() (bool, string) {
	b.Helper()
	var out struct {
		Ready  bool
		Reason string
	}
	code := b.ask("/readyz", &out)
	if out.Ready != (code == http.StatusOK) {
		b.Errorf("%d says ready %t", code, out.Ready)
	}
	return out.Ready, out.Reason
}

func (b *blaze) ask(path string, into any) int {
	b.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.Get(b.app.URL() + path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		b.Fatal(err)
	}
	return r.StatusCode
}

// heldUp lets the source go on while the store cannot be used: it must be held up after a bounded number
// of bars, readiness must say no, and the feed why.
func (b *blaze) heldUp(n int, why string) {
	b.Helper()
	b.source.allowed <- 1 // alone in its batch: what comes behind it waits in the queue
	b.until("the feed says why", func() bool {
		h := b.app.Feeds()[0]
		return h.State == feed.Stalled && strings.Contains(h.Detail, "Storing is behind") && strings.Contains(h.Detail, why)
	})
	b.source.allowed <- n - 1
	b.until("the source is held up", b.source.heldUp.Load)
	b.until("readiness says no", func() bool { ready, _ := b.ready(); return !ready })
	var status struct {
		Ready  bool   `json:"ready"`
		Reason string `json:"ready_reason"`
	}
	if code := b.ask("/v1/status", &status); code != http.StatusOK || status.Ready || status.Reason == "" {
		b.Errorf("status %d: %+v", code, status)
	}
}

func (b *blaze) recovers() {
	b.Helper()
	b.until("it is ready again", func() bool { ready, _ := b.ready(); return ready })
}

// finishes lets everything come that is left, stops the program, and looks whether all is there, once.
func (b *blaze) finishes() {
	b.Helper()
	b.source.allowed <- 1 << 20
	b.until("all bars are stored", func() bool { return b.app.Feeds()[0].State == feed.Finished })
	if err := b.app.Settle(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.stop()
	got := storedAt(b.T, b.place)
	same(b.T, "under fire", got, b.want)
	var v ledger.Verifier
	for _, e := range got[b.file.Series.ID()].chain {
		if err := v.Add(e); err != nil {
			b.Fatal(err)
		}
	}
	if got := bars(b.T, b.place, b.file.Series.ID()); !slices.Equal(got, b.file.Bars) {
		b.Errorf("%d bars are stored, %d came", len(got), len(b.file.Bars))
	}
}

// The database is locked by somebody, killed, and its connections cut, while the program runs: the source
// is held up and that is said, and in the end the ledger is, to the last bit, what it would have been.
func TestPostgresUnderFire(t *testing.T) {
	server := pgtest.Own(t)
	address := server.Schema(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("lock_timeout", "300")
	u.RawQuery = q.Encode()
	b := newBlaze(t, app.Place{Data: t.TempDir(), Store: u.String()})
	b.source.allowed <- 50
	b.stored(40)
	var status any
	if code := b.ask("/v1/status", &status); code != http.StatusOK {
		t.Errorf("status %d: %v", code, status)
	}

	other, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE bar"); err != nil {
		t.Fatal(err)
	}
	b.heldUp(220, "another session holds a lock")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.recovers()
	b.stored(260)

	server.Kill()
	b.heldUp(220, "cannot connect")
	if err := server.Run(); err != nil {
		t.Fatal(err)
	}
	b.recovers()
	b.stored(480)

	for range 10 {
		if err := server.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'foretick'"); err != nil {
			t.Fatal(err)
		}
		b.source.allowed <- 5
	}
	b.recovers()
	b.finishes()
}

// Another program holds the database file: the same is true.
func TestSQLiteUnderFire(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := newBlaze(t, app.Place{Data: dir})
	b.source.allowed <- 50
	b.stored(40)
	other, err := sqlite.OpenConn(filepath.Join(dir, app.DatabaseFile), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := sqlitex.ExecuteTransient(other, "BEGIN IMMEDIATE", nil); err != nil {
		t.Fatal(err)
	}
	b.heldUp(220, "")
	if err := sqlitex.ExecuteTransient(other, "ROLLBACK", nil); err != nil {
		t.Fatal(err)
	}
	b.recovers()
	b.finishes()
}

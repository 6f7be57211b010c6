package main

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/testdata"
)

// TestReadersAndTakeover runs a writer, a reader and a standby on one database. A client goes from
// one to the other by Last-Event-ID, over the death of the writer and the rise of the standby, and
// gets every event once.
func TestReadersAndTakeover(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	at := app.Place{Data: filepath.Join(t.TempDir(), "none"), Store: pgtest.Open(t)}
	args := []string{"--store", at.Store, "--data", at.Data, "--rollup", "none"}
	writer := start(t, args...)
	reader := start(t, append(args, "--role", "reader")...)
	standby := start(t, append(args, "--role", "standby")...)

	var ready struct{ Ready bool }
	for _, p := range []*process{reader, standby} {
		p.get("/readyz", &ready)
		if !ready.Ready {
			t.Errorf("a reader is not ready\n%s", p.log)
		}
		for _, path := range []string{"/v1/backtests", "/v1/versions", "/v1/trainings"} {
			if r, err := http.Get(p.url + path); err != nil || r.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("%s of a reader: %v %v", path, r, err)
			}
		}
		var status struct {
			Default string `json:"default_series"`
		}
		if p.get("/v1/status", &status); status.Default != series {
			t.Errorf("a reader shows %q first", status.Default)
		}
	}

	var said bytes.Buffer
	if status := run(t.Context(), []string{"healthy", "--addr", strings.TrimPrefix(reader.url, "http://")}, &said, &said); status != 0 {
		t.Errorf("foretick healthy: status %d, %s", status, said.String())
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var ids []string
	last := ""
	// follow reads p's stream from last on until n events have come, over breaks.
	follow := func(p *process, until func(event) bool) {
		t.Helper()
		for done := false; !done; {
			if ctx.Err() != nil {
				t.Fatalf("the stream of %s stood still after event %q\n%s", p.url, last, p.log)
			}
			p.watch(ctx, last, func(e event) bool {
				if e.name == "reset" {
					t.Errorf("the stream could not be resumed after %s: %s", last, e.data)
				}
				if e.id == "" {
					return true
				}
				ids, last = append(ids, e.id), e.id
				done = until(e)
				return !done
			})
		}
	}
	scores := func(n int) func(event) bool {
		return func(e event) bool {
			if e.name == "score" {
				n--
			}
			return n <= 0
		}
	}
	follow(writer, scores(1))
	follow(reader, scores(1))
	follow(standby, scores(1))
	follow(writer, scores(1))
	if err := writer.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = writer.cmd.Wait() // it was killed
	follow(standby, scores(3))
	follow(reader, scores(1))
	var versions struct{ Items []any }
	standby.get("/v1/versions", &versions) // it writes now
	stop(t, reader)
	if status := run(t.Context(), []string{"healthy", "--addr", strings.TrimPrefix(reader.url, "http://")}, &said, &said); status != 1 {
		t.Errorf("foretick healthy of one that has stopped: status %d", status)
	}
	stop(t, standby)

	onceEach(t, at, ids)
}

// number is the number of the event in an id of a stream.
func number(t *testing.T, id string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(id[strings.LastIndexByte(id, '-')+1:], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// onceEach wants a client that got the events ids to have got each that is stored, from its first to its
// last, once and in order.
func onceEach(t *testing.T, at app.Place, ids []string) {
	t.Helper()
	st, err := at.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	first, last := number(t, ids[0]), number(t, ids[len(ids)-1])
	events, err := st.EventsAfter(t.Context(), first-1, int(last-first+1))
	if err != nil || len(events) != len(ids) {
		t.Fatalf("%d events were stored from %s to %s, the client got %d, %v", len(events), ids[0], ids[len(ids)-1], len(ids), err)
	}
	for i, e := range events {
		if number(t, ids[i]) != e.Seq {
			t.Fatalf("event %d of the client is %s, of the store %d", i, ids[i], e.Seq)
		}
	}
}

// crowd are clients that follow whichever of the processes answers, as behind a proxy.
type crowd struct {
	mu      sync.Mutex
	moved   *sync.Cond
	up      []*process
	clients [6]struct {
		ids  []string
		last string
	}
}

// join starts the clients; they end with ctx.
func (c *crowd) join(ctx context.Context, t *testing.T, wg *sync.WaitGroup) {
	c.moved = sync.NewCond(&c.mu)
	context.AfterFunc(ctx, func() { c.mu.Lock(); c.moved.Broadcast(); c.mu.Unlock() })
	for i := range c.clients {
		wg.Go(func() {
			me := &c.clients[i]
			for turn := i; ctx.Err() == nil; turn++ {
				c.mu.Lock()
				p, last := c.up[turn%len(c.up)], me.last
				c.mu.Unlock()
				p.watch(ctx, last, func(e event) bool {
					c.mu.Lock()
					defer c.mu.Unlock()
					if e.name == "reset" {
						t.Errorf("client %d could not resume after %s: %s", i, me.last, e.data)
					}
					if e.id != "" {
						me.ids, me.last = append(me.ids, e.id), e.id
						c.moved.Broadcast()
					}
					return true
				})
				select { // as a browser waits before it comes back
				case <-ctx.Done():
				case <-time.After(20 * time.Millisecond):
				}
			}
		})
	}
}

// see waits until every client has got n more events than any has now.
func (c *crowd) see(ctx context.Context, t *testing.T, n uint64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	target := uint64(0)
	for i := range c.clients {
		if last := c.clients[i].last; last != "" {
			target = max(target, number(t, last))
		}
	}
	target += n
	for i := range c.clients {
		me := &c.clients[i]
		for me.last == "" || number(t, me.last) < target {
			if ctx.Err() != nil {
				t.Fatalf("client %d stands at %q, event %d should have come", i, me.last, target)
			}
			c.moved.Wait()
		}
	}
}

// instead puts a process in the place of another.
func (c *crowd) instead(old, young *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[slices.Index(c.up, old)] = young
}

// TestRollingRestart replaces both of two processes on one database, one after the other, each asked to
// stop as an orchestrator does, while clients stream from either: the other takes over, clients get
// every event once, and chains verify.
func TestRollingRestart(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	t.Parallel()
	at := app.Place{Data: filepath.Join(t.TempDir(), "none"), Store: pgtest.Open(t)}
	args := []string{"--store", at.Store, "--data", at.Data, "--rollup", "none", "--models", "naive,ewma", "--role"}
	writer := start(t, append(args, "writer")...)
	standby := start(t, append(args, "standby")...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	streaming, end := context.WithCancel(ctx)
	defer end()
	all := crowd{up: []*process{writer, standby}}
	var clients sync.WaitGroup
	all.join(streaming, t, &clients)
	for range 2 {
		all.see(ctx, t, 5)
		stop(t, writer)
		all.see(ctx, t, 5) // the standby writes
		if r, err := http.Get(standby.url + "/v1/versions"); err != nil || r.StatusCode != http.StatusOK {
			t.Errorf("the standby does not write: %v %v\n%s", r, err, standby.log)
		} else {
			r.Body.Close()
		}
		again := start(t, append(args, "standby")...)
		all.instead(writer, again)
		writer, standby = standby, again
	}
	all.see(ctx, t, 5)
	end()
	clients.Wait()
	stop(t, standby)
	stop(t, writer)
	for i := range all.clients {
		onceEach(t, at, all.clients[i].ids)
	}
	verify(t, at)
}

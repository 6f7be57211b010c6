package main

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
)

// TestReadersAndTakeover runs a writer, a reader and a standby on one database. A client goes from
// one to the other by Last-Event-ID, over the death of the writer and the rise of the standby, and
// gets every event once.
func TestReadersAndTakeover(t *testing.T) {
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

	st, err := at.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	number := func(id string) uint64 {
		n, err := strconv.ParseUint(id[strings.LastIndexByte(id, '-')+1:], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := number(ids[0])
	events, err := st.EventsAfter(t.Context(), first-1, int(number(last)-first+1))
	if err != nil || len(events) != len(ids) {
		t.Fatalf("%d events were stored from %s to %s, the client got %d, %v", len(events), ids[0], last, len(ids), err)
	}
	for i, e := range events {
		if number(ids[i]) != e.Seq {
			t.Fatalf("event %d of the client is %s, of the store %d", i, ids[i], e.Seq)
		}
	}
}

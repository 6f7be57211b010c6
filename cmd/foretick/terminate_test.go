package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/testdata"
	trainings "github.com/foretick/foretick/internal/training"
	"github.com/foretick/foretick/market"
)

// soon is how long a stop may take here: far less than what it interrupts, more than a machine that
// does other things needs.
const soon = 60 * time.Second

// stopSoon is stop of a process that has long work to do.
func stopSoon(t *testing.T, p *process) {
	t.Helper()
	began := time.Now()
	stop(t, p)
	if took := time.Since(began); took > soon {
		t.Errorf("stopping took %s", took)
	}
}

// large makes a database with n bars that have all been stepped.
func large(t *testing.T, n int) (at app.Place, id market.SeriesID) {
	t.Helper()
	at = app.Place{Data: filepath.Join(t.TempDir(), "data")}
	st, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec := storetest.Series("LARGE")
	if err := st.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for from := 0; from < n; from += 10_000 {
		if _, last, err = st.CommitBars(t.Context(), storetest.Bars(rec.ID(), from, min(n, from+10_000))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.CommitStep(t.Context(), store.Step{Series: rec.ID(), Cursor: store.Cursor{BarSeq: last}}); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return at, rec.ID()
}

// until asks until the answer is yes.
func until(t *testing.T, p *process, what string, yes func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !yes(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute\n%s", what, p.log)
		}
	}
}

// TestTrainingStops stops the program while a network is trained: it ends at once, and the next start
// goes on with what was learnt.
func TestTrainingStops(t *testing.T) {
	t.Parallel()
	at, id := large(t, 3000)
	args := []string{"--data", at.Data, "--rollup", "none", "--models", "naive"}
	p := start(t, args...)
	order := `{"series":["` + string(id) + `"],"units":32,"epochs":10000,"restarts":100}` // for hours
	r, err := http.Post(p.url+"/v1/trainings", "application/json", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	var job trainings.Training
	err = json.NewDecoder(r.Body).Decode(&job)
	r.Body.Close()
	if err != nil || r.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %v", r.Status, err)
	}
	learnt := func(n int) func() bool {
		return func() bool { p.get("/v1/trainings/"+job.ID, &job); return len(job.Curve) > n }
	}
	until(t, p, "an epoch is learnt", learnt(0))
	before := slices.Clone(job.Curve)
	stopSoon(t, p)

	p = start(t, args...)
	job = trainings.Training{Head: job.Head}
	until(t, p, "it goes on", learnt(len(before)))
	if !slices.Equal(job.Curve[:len(before)], before) {
		t.Errorf("what was learnt was %v, after the restart it is %v", before, job.Curve)
	}
	stopSoon(t, p)
	verify(t, at)
}

// dropCandles deletes the candles of a database, as a migration does that wants them made anew.
func dropCandles(t *testing.T, at app.Place) {
	t.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(at.Data, app.DatabaseFile), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	err = sqlitex.ExecuteScript(conn, "DELETE FROM rollup; DELETE FROM rollup_state;", nil)
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestCandlesStop stops the program while it makes candles that are missing: nothing is lost, and the
// next start goes on.
func TestCandlesStop(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	t.Parallel()
	const bars = 30_000
	at, id := large(t, bars)
	want := chart(t, at, id)
	dropCandles(t, at)
	args := []string{"--data", at.Data, "--rollup", "none", "--models", "naive"}
	p := start(t, args...)
	until(t, p, "candles are made", func() bool { return strings.Contains(p.log.String(), "making the missing candles") })
	stopSoon(t, p)
	if strings.Contains(p.log.String(), `"ERROR"`) {
		t.Errorf("it says\n%s", p.log)
	}
	again := start(t, args...)
	until(t, again, "all candles are made", func() bool {
		return strings.Contains(p.log.String()+again.log.String(), "the missing candles of charts are made")
	})
	stopSoon(t, again)
	if got := chart(t, at, id); !slices.Equal(got, want) {
		t.Errorf("a chart has %d candles, before it had %d, or they differ", len(got), len(want))
	}
	verify(t, at)
	var out bytes.Buffer
	if status := run(t.Context(), []string{"db", "check", "--data", at.Data}, &out, &out); status != 0 {
		t.Errorf("db check: %s", out.String())
	}
}

// chart is what a wide chart of a series shows.
func chart(t *testing.T, at app.Place, id market.SeriesID) []market.Bar {
	t.Helper()
	st, err := at.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	_, bars, err := st.Chart(t.Context(), id, 0, market.MaxTime, 500)
	if err != nil || len(bars) < 100 {
		t.Fatalf("%d candles, %v", len(bars), err)
	}
	return bars
}

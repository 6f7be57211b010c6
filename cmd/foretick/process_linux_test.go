package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// TestFullDisk lets the file system refuse to grow the database: readiness goes
// false with the reason, pages still answer, nothing is half-written, and with room
// again the program goes on at the next start.
func TestFullDisk(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", dir, "--rollup", "none")
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	var ready struct {
		Ready  bool
		Reason string
	}
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		r, err := http.Get(p.url + "/readyz")
		if err != nil {
			t.Fatalf("%v\n%s", err, p.log)
		}
		err = json.NewDecoder(r.Body).Decode(&ready)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode == http.StatusServiceUnavailable && strings.Contains(ready.Reason, "full") {
			break
		}
	}
	if ready.Ready || !strings.Contains(ready.Reason, "full") {
		t.Fatalf("ready %t: %q", ready.Ready, ready.Reason)
	}
	var bars struct{ Items []market.Bar }
	p.get("/v1/series/"+series+"/bars", &bars)
	if len(bars.Items) == 0 {
		t.Error("no bars are shown while the disk is full")
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait() // it could not store what it still held, and says so by its status
	verify(t, app.Place{Data: dir})

	q := start(t, "--data", dir, "--rollup", "none")
	q.get("/readyz", &ready)
	if !ready.Ready {
		t.Errorf("with room again: %q", ready.Reason)
	}
	stop(t, q)
}

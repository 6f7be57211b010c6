package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store/storetest"
)

// TestBackupKilled kills backups of a database that a server writes to, with SIGKILL in the
// middle: no file has the name of a backup, the server goes on, the next backup clears up
// what was left, and a server goes on from what was restored.
func TestBackupKilled(t *testing.T) {
	dir, folder := filepath.Join(t.TempDir(), "data"), t.TempDir()
	st, err := app.Place{Data: dir}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec := storetest.Series("LARGE")
	if err := st.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if _, _, err := st.CommitBars(t.Context(), storetest.Bars(rec.ID(), 0, 20_000)); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	p := start(t, "--data", dir, "--rollup", "none", "--models", "naive") // it forecasts all these bars meanwhile
	out := filepath.Join(folder, "b.db")
	left := filepath.Join(folder, ".b.db.partial", app.DatabaseFile)
	for round := range 3 {
		c := exec.Command(os.Args[0], "backup", "--data", dir, "--out", out)
		c.Env = append(os.Environ(), asProgram+"=1")
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		for size, running := int64(0), true; running && size < int64(1+round)<<18; { // later each time
			select {
			case err := <-ended:
				t.Fatalf("it ended before it could be killed: %v %s", err, said.String())
			case <-time.After(time.Millisecond):
			}
			if fi, err := os.Stat(left); err == nil {
				size = fi.Size()
			}
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-ended
		if _, err := os.Stat(out); err == nil {
			t.Fatal("there is a file although the backup was killed")
		}
		if _, err := os.Stat(left); err != nil {
			t.Fatalf("it was not killed in the middle: %v", err)
		}
	}
	foretick := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if status := run(t.Context(), args, &out, &out); status != 0 {
			t.Fatalf("foretick %v: status %d\n%s", args, status, out.String())
		}
		return out.String()
	}
	foretick("backup", "--data", dir, "--out", out)
	list, err := os.ReadDir(folder)
	if err != nil || len(list) != 1 {
		t.Errorf("there are %v, %v", list, err)
	}
	n := 0
	p.watch(t.Context(), "", func(e event) bool { // the server goes on
		if e.name == "forecast" {
			n++
		}
		return n < 2
	})
	stop(t, p)
	verify(t, app.Place{Data: dir})

	restored := filepath.Join(t.TempDir(), "data")
	foretick("restore", "--from", out, "--data", restored)
	if said := foretick("db", "check", "--data", restored); !strings.Contains(said, "the database is sound: 2 series") {
		t.Errorf("it says %s", said)
	}
	q := start(t, "--data", restored, "--rollup", "none", "--models", "naive")
	q.watch(t.Context(), "", func(e event) bool { return e.name != "forecast" })
	stop(t, q)
	verify(t, app.Place{Data: restored})
}

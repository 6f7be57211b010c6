package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/testdata"
)

// TestBackupKilled ends backups of a database that a server writes to, in the middle: no file has the
// name of a backup, the server goes on, the next backup clears up what SIGKILL left, one that is asked to stop
// leaves nothing and says that it stopped, and a server goes on from what was restored.
func TestBackupKilled(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	at, _ := large(t, 8000)
	dir, folder := at.Data, t.TempDir()
	p := start(t, "--data", dir, "--rollup", "none", "--models", "naive")
	out := filepath.Join(folder, "b.db")
	left := filepath.Join(folder, ".b.db.partial", app.DatabaseFile)
	for round, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGKILL} {
		c := exec.Command(os.Args[0], "backup", "--data", dir, "--out", out)
		c.Env = append(os.Environ(), asProgram+"=1")
		var said bytes.Buffer
		c.Stdout, c.Stderr = &said, &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		for size, running := int64(0), true; running && size < int64(1+round)<<17; { // later each time
			select {
			case err := <-ended:
				t.Fatalf("it ended before it could be killed: %v %s", err, said.String())
			case <-time.After(time.Millisecond):
			}
			if fi, err := os.Stat(left); err == nil {
				size = fi.Size()
			}
		}
		if err := c.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		<-ended
		if _, err := os.Stat(out); err == nil {
			t.Fatal("there is a file although the backup was killed")
		}
		if signal == syscall.SIGTERM {
			list, err := os.ReadDir(folder)
			if c.ProcessState.ExitCode() != 1 || !strings.Contains(said.String(), "stopped") || len(list) > 0 || err != nil {
				t.Errorf("asked to stop it ends with status %d, leaves %v, %v, and says %q", c.ProcessState.ExitCode(), list, err, said.String())
			}
			continue
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

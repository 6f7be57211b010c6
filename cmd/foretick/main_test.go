package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/testdata"
)

// asProgram makes the test binary be foretick, so that tests can start it, signal it
// and kill it as a process of its own.
const asProgram = "FORETICK_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	// A program with the race detector sleeps a second before it exits, and these tests start hundreds.
	if os.Getenv("GORACE") == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=20")
	}
	testscript.Main(pgtest.Runner{M: m}, map[string]func(){"foretick": main})
}

// Scripts find the repository's own series in $MARKET and its price network in $NETWORK. Where
// the condition [wide] holds, real data is in $SHARED.
func TestScripts(t *testing.T) {
	if testdata.Race {
		t.Skip("each command is a program of its own: runs without the race detector")
	}
	market, network, wide := testdata.Market(t, ""), testdata.Network(t, ""), testdata.Wide(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("MARKET", market)
			e.Setenv("NETWORK", network)
			if wide {
				e.Setenv("SHARED", testdata.Shared(t))
			}
			e.Setenv("GORACE", os.Getenv("GORACE"))
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "wide" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return wide, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// status N foretick ARGS runs foretick and wants the exit status N.
			"status": status,
			// hostile writes hostile.pth and hostile.pkl: run by Python, they create the file pwned.
			"hostile":  hostile,
			"replayed": replayed, "tampered": tampered,
		},
	})
}

func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit status %d, want %s", got, want)
	}
}

func hostile(ts *testscript.TestScript, _ bool, _ []string) {
	const call = "\x80\x02cposix\nsystem\nX\x0b\x00\x00\x00touch pwned\x85R."
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{"model/data.pkl", "model/version"} {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		ts.Check(err)
		_, err = w.Write([]byte(call))
		ts.Check(err)
	}
	ts.Check(z.Close())
	ts.Check(os.WriteFile(ts.MkAbs("hostile.pth"), b.Bytes(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("hostile.pkl"), []byte(call), 0o644))
}

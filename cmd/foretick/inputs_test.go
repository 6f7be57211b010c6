package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/app"
)

// replayed DIR FILE SERIES CUTOFF runs foretick serve, which replays FILE, until the forecasts
// of CUTOFF are there, and stops it.
func replayed(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command(os.Args[0], "serve", "--addr", "127.0.0.1:0", "--data", ts.MkAbs(args[0]), "--feed", "replay", "--file", ts.MkAbs(args[1]), "--speed", "max", "--rollup", "none")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	stopped := false
	defer func() {
		if !stopped {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		}
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	ts.Check(err)
	ask := address.FindString(line) + "/v1/series/" + url.PathEscape(args[2]) + "/ledger/entries?kind=issue&order=desc&limit=1"
	for deadline := time.Now().Add(time.Minute); ; {
		if body, err := answerOf(ask); err == nil && strings.Contains(body, `"cutoff":"`+args[3]+`"`) {
			break
		} else if time.Now().After(deadline) {
			ts.Fatalf("no forecasts of %s: %v %s", args[3], err, body)
		}
		<-time.After(10 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	stopped = true
	ts.Check(cmd.Wait())
}

func answerOf(url string) (string, error) {
	r, err := http.Get(url)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r.Body)
	if err = errors.Join(err, r.Body.Close()); err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", r.Status)
	}
	return string(b), err
}

// tampered DIR SQL changes the database of a folder with SQL, behind Foretick's back.
func tampered(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := sqlite.OpenConn(filepath.Join(ts.MkAbs(args[0]), app.DatabaseFile), sqlite.OpenReadWrite)
	ts.Check(err)
	ts.Check(errors.Join(sqlitex.ExecuteScript(conn, args[1], nil), conn.Close()))
}

package main

import (
	"bytes"
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/testdata"
)

// stopper ends a context when it is told of the nth epoch.
type stopper struct {
	bytes.Buffer
	epochs int
	stop   context.CancelFunc
}

func (s *stopper) Write(b []byte) (int, error) {
	if bytes.HasPrefix(b, []byte("restart ")) {
		if s.epochs--; s.epochs == 0 {
			s.stop()
		}
	}
	return s.Buffer.Write(b)
}

// training runs foretick train, as a signal would stop it after some epochs (0: never).
func training(t *testing.T, epochs int, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out bytes.Buffer
	errs := stopper{epochs: epochs, stop: stop}
	status = run(ctx, append([]string{"train"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

var trained = regexp.MustCompile(`(?m)^lstm ([0-9a-f]{16}): `)

// A training that is stopped again and again goes on where it stood, and gives the version
// that it gives in one go.
func TestTrainGoesOn(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--units", "2", "--steps", "16", "--epochs", "3", "--restarts", "2", "--file", testdata.Market(t, "daily/FX.csv"), "--until", "2012-01-01", "--data"}
	status, whole, errs := training(t, 0, append(args, filepath.Join(dir, "whole"))...)
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	args = append(args, filepath.Join(dir, "pieces"))
	path := filepath.Join(dir, "pieces", "train-lstm.checkpoint")
	for n := 1; ; n++ {
		status, out, errs := training(t, 1, args...)
		if n > 1 && !strings.Contains(errs, "going on from "+path+" after ") {
			t.Fatalf("start %d does not go on: %s", n, errs)
		}
		if n < 6 {
			words := map[bool]string{true: "1 epoch", false: "epochs"}[n == 1]
			if status != 1 || out != "" || !strings.Contains(errs, words+"; the same command goes on from "+path) || strings.Contains(errs, "canceled") {
				t.Fatalf("start %d: status %d, %s%s", n, status, out, errs)
			}
			continue
		}
		// The signal came after the last epoch; what is left is to put it away.
		if status != 1 || !strings.Contains(errs, "stopped at the end of the training; the same command goes on from "+path) {
			t.Fatalf("start %d: status %d, %s%s", n, status, out, errs)
		}
		break
	}
	// Another training does not take the checkpoint, and does not lose it.
	if status, _, errs := training(t, 0, append(args, "--seed", "9")...); status != 2 || !strings.Contains(errs, "is the checkpoint of another training; finish that one with its own command, or pass --fresh") {
		t.Errorf("status %d: %s", status, errs)
	}
	status, pieces, errs := training(t, 0, args...)
	if status != 0 || pieces != whole || !trained.MatchString(pieces) {
		t.Errorf("status %d, in pieces it is\n%s%s, in one go\n%s", status, pieces, errs, whole)
	}
	if status, _, errs := training(t, 0, append(args, "--fresh")...); status != 0 || strings.Contains(errs, "going on") {
		t.Errorf("status %d: %s", status, errs)
	}
}

// Stopped in its second year, a training of several goes on there, and does not train the
// first again.
func TestTrainOfYearsGoesOn(t *testing.T) {
	dir := t.TempDir()
	args := []string{"--units", "2", "--steps", "16", "--epochs", "2", "--restarts", "1", "--file", testdata.Market(t, "daily/FX.csv"), "--each", "year", "--from", "2011", "--until", "2012", "--data", dir}
	status, out, errs := training(t, 3, args...)
	if status != 1 || len(trained.FindAllString(out, -1)) != 1 || !strings.Contains(errs, "train-lstm.checkpoint-2012") {
		t.Fatalf("status %d, %s%s", status, out, errs)
	}
	status, out, errs = training(t, 0, args...)
	if status != 0 || len(trained.FindAllString(out, -1)) != 1 || !strings.Contains(errs, "2011-01-01: version ") || !strings.Contains(errs, "after 1 epoch\n") {
		t.Fatalf("status %d, %s%s", status, out, errs)
	}
}

// Package testdata finds the real market data that tests read.
package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Shared returns the folder of shared data: FORETICK_SHARED, or shared beside the
// repository. It fails the test when the folder is missing.
func Shared(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("FORETICK_SHARED")
	if dir == "" {
		dir = filepath.Join(root(t), "..", "shared")
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); err != nil {
		t.Fatalf("real market data is missing: set FORETICK_SHARED to the folder that holds data/ (%v)", err)
	}
	return dir
}

func root(t testing.TB) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}

package app_test

import (
	"os"
	"strconv"
	"testing"
)

func create(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

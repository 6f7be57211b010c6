package app_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
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

func writeBars(t *testing.T, path string, bars []market.Bar) {
	t.Helper()
	f := create(t, path)
	if err := csv.Write(f, bars); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeTicks(t *testing.T, path string, ticks []market.Tick) {
	t.Helper()
	text := []byte("time,price,size\n")
	for _, k := range ticks {
		text = fmt.Appendf(text, "%s,%v,%v\n", k.Time, k.Price, k.Size)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeActions(t *testing.T, path string, list []market.Action) {
	t.Helper()
	text := "ex,kind,value\n"
	for _, a := range list {
		text += fmt.Sprintf("%s,%s,%v\n", a.Ex, a.Kind, max(a.Ratio, a.Amount))
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

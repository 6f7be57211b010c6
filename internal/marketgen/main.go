// Marketgen makes the market data that the tests run on: testdata/market.
//
//	go run ./internal/marketgen
//
// The prices are invented and behave like real ones: volatility is stochastic, clusters and
// rises after a fall; returns have fat tails and jumps; days have their U of volatility and
// volume, nights their gaps; high and low come from a finer path, so that they say of
// volatility what real ones say. What else a market does to a program is in them at known
// places: a split announced and one not, a halt, flat stretches, missing days, a price below
// zero, and files that are broken in every way that was met. The README of the folder, which
// is made too, lists them.
//
// The same program makes the same bytes on every machine (see noise). A test compares them
// with what is committed; to change a series, change it here and run the command.
package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// folder is where the files belong, seen from the root of the repository.
const folder = "testdata/market"

// file is one file of the folder. Those whose name ends in .gz are committed compressed; text
// is what is in them.
type file struct {
	name  string
	text  []byte
	about string // one line of the README
}

func main() {
	if _, err := os.Stat("go.mod"); err != nil {
		fmt.Fprintln(os.Stderr, "marketgen: run it from the root of the repository: go run ./internal/marketgen")
		os.Exit(1)
	}
	if err := write(folder); err != nil {
		fmt.Fprintln(os.Stderr, "marketgen:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	for _, f := range files() {
		path := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		b, err := f.packed()
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// files are all that there is, the README last.
var files = sync.OnceValue(func() []file {
	all := slices.Concat(daily(), intraday(), trades(), raw())
	return append(all, readme(all))
})

// packed returns the bytes that are written. What is in raw/ stands there as it is.
func (f *file) packed() ([]byte, error) {
	if !f.compressed() {
		return f.text, nil
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(f.text); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

func (f *file) compressed() bool {
	return strings.HasSuffix(f.name, ".gz") && !strings.HasPrefix(f.name, "raw/")
}

func readme(all []file) file {
	var b bytes.Buffer
	b.WriteString(`# Market data for tests

Invented prices that behave like real ones. ` + "`go run ./internal/marketgen`" + ` writes every file of
this folder, bit for bit the same each time (for compressed files, what is in them). A test of that
package compares. Change the program, not the files.

Bars are counted from 0, the first row after the header. Times are UTC.

| file | what it holds, and what was put in on purpose |
|---|---|
`)
	for _, f := range all {
		fmt.Fprintf(&b, "| %s | %s |\n", f.name, f.about)
	}
	return file{name: "README.md", text: b.Bytes()}
}

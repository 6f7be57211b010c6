package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// writeOut lets f write to path, or to standard output when path is "-". A file is
// written beside its place and moved there when it is whole, so that a failure
// leaves no half of it.
func writeOut(t *terminal, path string, f func(io.Writer) error) error {
	if path == "-" {
		w := bufio.NewWriter(t.stdout)
		if err := f(w); err != nil {
			return err
		}
		return w.Flush()
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once it has been moved
	w := bufio.NewWriter(tmp)
	err = f(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	fmt.Fprintf(t.stderr, "wrote %s\n", path)
	return nil
}

// meter shows how far long work has come: a bar on a terminal, a line every tenth
// of the way elsewhere.
type meter struct {
	bar   *progressbar.ProgressBar
	w     io.Writer
	what  string
	total int64
	n     int64
	tenth int64
}

// plainFrom is the amount of work from which progress is told where there is no
// terminal.
const plainFrom = 100_000

func progress(t *terminal, total int64, what string) *meter {
	m := &meter{w: t.stderr, what: what, total: total}
	if f, ok := t.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		m.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100e6))
	}
	return m
}

// set tells how much is done.
func (m *meter) set(n int64) { m.add(n - m.n) }

// add tells that n more are done.
func (m *meter) add(n int64) {
	m.n += n
	if m.bar != nil {
		_ = m.bar.Add64(n) // cannot show it: not worth failing for
		return
	}
	if m.total >= plainFrom && m.n*10/m.total > m.tenth {
		m.tenth = m.n * 10 / m.total
		fmt.Fprintf(m.w, "%s: %d %% of %d\n", m.what, m.tenth*10, m.total)
	}
}

func (m *meter) done() {
	if m.bar != nil {
		_ = m.bar.Finish()
	}
}

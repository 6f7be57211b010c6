package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

type serveCmd struct {
	app.Config
}

func (c *serveCmd) Run(t *terminal) error {
	if err := c.Finish(os.Getenv); err != nil {
		return &usageError{err}
	}
	log := logger(t.stderr, c.Log)
	deps := app.Deps{Now: time.Now, Log: log, Stderr: t.stderr, Progress: fetched(t, log)}
	told := func(url, about string) {
		fmt.Fprintf(t.stdout, "Foretick %s is at %s (%s). Stop it with Ctrl-C.\n", app.Version(), url, about)
	}
	err := app.Serve(t.ctx, c.Config, deps, told)
	if errors.Is(err, app.ErrSetting) {
		return &usageError{err}
	}
	return err
}

// logger writes text to a terminal and JSON elsewhere.
func logger(w io.Writer, level string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	opt := &slog.HandlerOptions{Level: l}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, opt))
	}
	return slog.New(slog.NewJSONHandler(w, opt))
}

// fetched shows how far histories have been fetched: bars on a terminal, a line each elsewhere.
func fetched(t *terminal, log *slog.Logger) func(venue.Progress) {
	f, ok := t.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func(p venue.Progress) {
			if p.Done {
				log.Info("the history has been fetched", "series", p.Series, "bars", p.Bars, "from", p.From)
			}
		}
	}
	var mu sync.Mutex // sources tell at the same time
	bars := map[market.SeriesID]*meter{}
	return func(p venue.Progress) {
		mu.Lock()
		defer mu.Unlock()
		m := bars[p.Series]
		if m == nil {
			m = progress(t, max(1, int64(p.Till.Sub(p.From))), "history of "+string(p.Series))
			bars[p.Series] = m
		}
		m.set(min(m.total, int64(p.At.Sub(p.From))))
		if p.Done {
			m.done()
			log.Info("the history has been fetched", "series", p.Series, "bars", p.Bars, "from", p.From)
		}
	}
}

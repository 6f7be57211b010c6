package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/foretick/foretick/internal/app"
)

type serveCmd struct {
	app.Config
}

func (c *serveCmd) Run(t *terminal) error {
	if err := c.Finish(os.Getenv); err != nil {
		return &usageError{err}
	}
	a, err := app.New(t.ctx, c.Config, app.Deps{Now: time.Now, Log: logger(t.stderr, c.Log), Stderr: t.stderr})
	if errors.Is(err, app.ErrModels) {
		return &usageError{err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(t.stdout, "Foretick %s is at %s (%s). Stop it with Ctrl-C.\n", app.Version(), a.URL(), a.About())
	return a.Run(t.ctx)
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

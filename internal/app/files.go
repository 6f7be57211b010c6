package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
)

// FileOptions say what is known about recorded files.
type FileOptions struct {
	Instrument []string // symbols, by file; missing ones are inferred
	Interval   market.Interval
	Timezone   string
	// Actions are files of splits and dividends: FILE where there is one file of
	// prices, else SYMBOL=FILE.
	Actions  []string
	Progress func(path string, read, size int64)
}

// ReadFiles reads recorded files in full. Files of one instrument must follow each
// other in time or be of one kind; that is for the feed to judge. The errors name the
// file and say what to do.
func ReadFiles(ctx context.Context, paths []string, opt FileOptions) ([]*csv.File, error) {
	var zone *time.Location
	if opt.Timezone != "" {
		z, err := time.LoadLocation(opt.Timezone)
		if err != nil {
			return nil, fmt.Errorf("--timezone %q is not known; write a name such as America/New_York or UTC", opt.Timezone)
		}
		zone = z
	}
	if len(opt.Instrument) > len(paths) {
		return nil, fmt.Errorf("--instrument is given %d times for %d files", len(opt.Instrument), len(paths))
	}
	var files []*csv.File
	for i, p := range paths {
		o := csv.Options{Interval: opt.Interval, Zone: zone}
		if i < len(opt.Instrument) {
			o.Instrument.Symbol = opt.Instrument[i]
		}
		if opt.Progress != nil {
			o.Progress = func(read, size int64) { opt.Progress(p, read, size) }
		}
		f, err := csv.Read(ctx, p, o)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, addActions(files, opt.Actions)
}

// addActions reads files of splits and dividends to the files of prices that they belong
// to.
func addActions(files []*csv.File, actions []string) error {
	for _, spec := range actions {
		symbol, path := SplitActions(spec)
		var of *csv.File
		var known []string
		for _, f := range files {
			i := &f.Series.Instrument
			if key := i.Key(); of == nil && (symbol == "" && len(files) == 1 || symbol == i.Symbol || symbol == key) {
				of = f
			}
			known = append(known, i.Symbol)
		}
		switch {
		case of == nil && symbol == "":
			return fmt.Errorf("--actions %s: of %d files, whose splits are they? Write SYMBOL=FILE; there are %s", path, len(files), strings.Join(known, ", "))
		case of == nil:
			return fmt.Errorf("--actions %s: there are no prices of %s, only of %s", spec, symbol, strings.Join(known, ", "))
		}
		list, err := csv.ReadActions(path)
		if err != nil {
			return fmt.Errorf("--actions: %w", err)
		}
		of.Actions = append(of.Actions, list...)
	}
	return nil
}

// SplitActions cuts SYMBOL=FILE in two. A file that is there under the whole name needs no
// symbol.
func SplitActions(spec string) (symbol, path string) {
	if _, err := os.Stat(spec); err == nil {
		return "", spec
	}
	if symbol, path, ok := strings.Cut(spec, "="); ok {
		return symbol, path
	}
	return "", spec
}

// Describe tells in one line what a file holds.
func Describe(f *csv.File) string {
	var from, to market.Time
	switch {
	case len(f.Bars) > 0:
		from, to = f.Bars[0].Start, f.Bars[len(f.Bars)-1].Start
	case len(f.Ticks) > 0:
		from, to = f.Ticks[0].Time, f.Ticks[len(f.Ticks)-1].Time
	}
	s := fmt.Sprintf("%s: %d %s of %s, %s to %s", filepath.Base(f.Name), f.Kept(), f.Kind, f.Series.ID(), from, to)
	if n := len(f.Actions); n > 0 {
		s += fmt.Sprintf("; %d splits and dividends", n)
	}
	if f.Refused > 0 {
		s += fmt.Sprintf("; %d rows refused", f.Refused)
	}
	if len(f.Notes) > 0 {
		s += " (" + strings.Join(f.Notes, "; ") + ")"
	}
	return s
}

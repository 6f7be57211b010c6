// Package backtest walks recorded series through the same track as live, and judges
// what the models would have said.
//
// A walk has a rolling origin: the models learn from the first BurnIn bars, and from
// then on forecast at every bar, with what had closed by then. Their parameters are
// estimated when the burn-in ends and again every Refit bars, from the bars before the
// one they first serve. Nothing here forecasts or scores: track and score do, as they
// do live (law 3), so a backtest cannot be kinder than life.
package backtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// Spec says what is walked and how. The zero values of BurnIn, Refit, Horizons and
// Models are replaced by Finish.
type Spec struct {
	Models   []string `json:"models"`
	BurnIn   int      `json:"burn_in"`
	Refit    int      `json:"refit"`
	Horizons []int    `json:"horizons"`
	Last     int      `json:"last"` // only the newest bars of each series; 0: all
	// Raw takes prices as they stand: what looks like a split is a move (track.Config).
	Raw  bool        `json:"raw"`
	From market.Time `json:"-"` // bars that start before are left out; 0: none
	To   market.Time `json:"-"` // bars that start here or later are left out; 0: none
}

// Defaults of Spec.
const (
	DefaultBurnIn = 500
	DefaultRefit  = track.DefaultRefitEvery
)

// Finish fills in defaults and reports what cannot be walked.
func (s *Spec) Finish() error {
	if s.BurnIn == 0 {
		s.BurnIn = DefaultBurnIn
	}
	if s.Refit == 0 {
		s.Refit = DefaultRefit
	}
	if len(s.Horizons) == 0 {
		s.Horizons = []int{1, 5}
	}
	slices.Sort(s.Horizons)
	s.Horizons = slices.Compact(s.Horizons)
	switch {
	case s.BurnIn < 30 || s.BurnIn > 1_000_000:
		return fmt.Errorf("burn-in of %d bars: choose 30 to 1,000,000", s.BurnIn)
	case s.Refit < 1 || s.Refit > 1_000_000:
		return fmt.Errorf("refit every %d bars: choose 1 to 1,000,000", s.Refit)
	case len(s.Horizons) > 20 || s.Horizons[0] < 1 || s.Horizons[len(s.Horizons)-1] > 100:
		return fmt.Errorf("horizons %v: choose up to 20, each 1 to 100 bars", s.Horizons)
	case s.Last < 0 || s.Last > 0 && s.Last <= s.BurnIn+s.Horizons[len(s.Horizons)-1]:
		return fmt.Errorf("the last %d bars leave nothing to judge after a burn-in of %d", s.Last, s.BurnIn)
	case s.To != 0 && s.To <= s.From:
		return errors.New("the end lies before the start")
	}
	return nil
}

// Input is one series to walk.
type Input struct {
	Series   market.Series
	File     string // where it comes from, for people
	Bars     []market.Bar
	Calendar market.Calendar
	Splits   []market.Action // announced, all known from the beginning; dividends do no harm
}

// cut returns the bars that the spec selects.
func (s *Spec) cut(bars []market.Bar) []market.Bar {
	from, _ := slices.BinarySearchFunc(bars, s.From, compareStart)
	to := len(bars)
	if s.To != 0 {
		to, _ = slices.BinarySearchFunc(bars, s.To, compareStart)
	}
	bars = bars[min(from, to):to]
	if s.Last > 0 && len(bars) > s.Last {
		bars = bars[len(bars)-s.Last:]
	}
	return bars
}

func compareStart(b market.Bar, t market.Time) int {
	switch {
	case b.Start < t:
		return -1
	case b.Start > t:
		return 1
	}
	return 0
}

// Options are what a walk works with.
type Options struct {
	// Forecasters returns new forecasters for one series, naive among them; file is
	// the series' Input.File.
	Forecasters func(file string) []forecast.Forecaster
	// Lead is the model whose forecasts are drawn.
	Lead string
	Jobs int // series walked at once, at least 1; the result does not depend on it
	// Progress, unless nil, is told the number of bars done and in all. It may be
	// called from several goroutines.
	Progress func(done, total int64)
	Now      func() time.Time
	Version  string // of the program
}

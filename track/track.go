// Package track is the heart of Foretick: the state machine of one series. Bars go
// in; out come sealed forecasts, the outcomes of earlier ones, and their scores.
//
// Each call of [Track.Step] does three things in a fixed order. It settles: the
// forecasts whose target is the new bar get their outcome, and those whose target
// never came are void. It learns: the bar joins the window that models see. It
// issues: every model forecasts 1 to Horizons bars ahead, and the forecasts are
// sealed into the ledger. Nothing else happens: no clock is read, no goroutine
// started, nothing stored. Live, replay and backtest differ only in who calls Step
// and with which time, so they produce the same forecasts and scores to the last
// bit.
//
// Where a share was split the price after it is in another unit: see [Break].
//
// A forecast belongs to the target that the trading calendar named when it was
// issued, and is judged on the bar with exactly that start. Where no such bar
// comes it is void: never judged on some other bar.
package track

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Defaults of Config.
const (
	DefaultWindow     = 1024
	DefaultRefitEvery = 20
)

// UpTo lists the horizons 1 to n.
func UpTo(n int) []int {
	h := make([]int, n)
	for i := range h {
		h[i] = i + 1
	}
	return h
}

// scaleBars is the number of changes that a Score's Scale is the mean of.
const scaleBars = 250

// MaxHorizon bounds how far ahead forecasts go.
const MaxHorizon = 1000

// Revisable is the number of past bars whose outcome a revision may still change.
const Revisable = 16

// Config says what a track forecasts and how.
type Config struct {
	Series   market.Series
	Mode     ledger.Mode
	Calendar market.Calendar       // nil means around the clock
	Horizons []int                 // bars ahead that are forecast, ascending; nil means 1 to 5
	Window   int                   // bars that models see at most; 0 means 1,024
	Models   []forecast.Forecaster // names must differ, and one must be naive (law 5)
	// RefitEvery is the number of bars after which parameters are estimated again; 0
	// means 20.
	RefitEvery int
	// LateAfter is how long after its target opened a live forecast may be issued
	// without being marked late: what the finality rule itself takes.
	LateAfter time.Duration
	// Raw takes every price as it stands: no split is looked for nor heeded, and a forecast
	// across one is judged by what the price did. Benchmarks whose peers were judged so
	// need it.
	Raw bool
}

// Input is one bar as it was logged.
type Input struct {
	market.Bar
	Backfill bool // history: learn from it, forecast nothing
	AfterGap bool // data was lost between the bar before and this one
	// Splits are those announced of the instrument that were known when the bar was
	// logged; others than those near the bar do no harm.
	Splits []market.Action
}

// Result is what one Step produced, to be committed as a whole.
type Result struct {
	Entries []ledger.Sealed
	Scores  []score.Score
	// What the entries say, for whoever counts: the forecasts and abstentions of
	// the Issue, the forecasts that a Gap kept from being issued (a model), and
	// the forecasts that are void.
	Forecasts   []forecast.Forecast
	Abstentions []forecast.Abstention
	Missed      int
	Voided      []forecast.Forecast
	Break       *Break // before the bar; nil: none
}

// Track is the state of one series. It is not safe for concurrent use.
type Track struct {
	cfg    Config
	id     market.SeriesID
	slots  []slot
	bars   []market.Bar     // newest last, as traded; up to twice Window before it is cut
	breaks []forecast.Break // among bars
	issues []issue          // oldest first
	head   ledger.Head
	at     market.Time // of the newest entry
	inputs ledger.Hash

	set        forecast.Setting
	backfilled bool // the newest bars were history, and nothing was fitted since

	ahead        []market.Span // the bars after the newest one
	volatilities []float64     // of each bar, see regime.go
	spliced      []market.Bar  // room for view
}

// issue is what was forecast at one cutoff, as long as it may still be judged.
type issue struct {
	basis     score.Basis
	forecasts []forecast.Forecast
	state     []state // of each forecast
	open      int     // number of forecasts in state pending
	from, to  market.Time
}

type state uint8

const (
	pending state = iota
	scored
	void
)

// New returns an empty track. It reports a Config that breaks its rules.
func New(cfg Config) (*Track, error) {
	if cfg.Calendar == nil {
		cfg.Calendar = market.Always
	}
	if cfg.Horizons == nil {
		cfg.Horizons = UpTo(5)
	}
	if cfg.RefitEvery == 0 {
		cfg.RefitEvery = DefaultRefitEvery
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if err := cfg.Series.Validate(); err != nil {
		return nil, err
	}
	ascend := slices.IsSorted(cfg.Horizons) && len(slices.Compact(slices.Clone(cfg.Horizons))) == len(cfg.Horizons)
	if len(cfg.Horizons) == 0 || cfg.Horizons[0] < 1 || !ascend || cfg.Horizons[len(cfg.Horizons)-1] > MaxHorizon {
		return nil, fmt.Errorf("track: horizons %v must ascend, from 1 to %d", cfg.Horizons, MaxHorizon)
	}
	if cfg.Window < 2 || cfg.RefitEvery < 1 {
		return nil, fmt.Errorf("track: window %d or refit every %d bars out of range", cfg.Window, cfg.RefitEvery)
	}
	t := &Track{cfg: cfg, id: cfg.Series.ID(), set: forecast.Setting{Interval: cfg.Series.Interval, Horizons: cfg.Horizons}}
	naive := false
	for _, m := range cfg.Models {
		if slices.ContainsFunc(t.slots, func(s slot) bool { return s.model.Name() == m.Name() }) {
			return nil, fmt.Errorf("track: two models are called %q", m.Name())
		}
		at := len(t.slots)
		if m.Name() == score.Naive {
			naive, at = true, 0 // first: where it abstains, so do all
		}
		t.slots = slices.Insert(t.slots, at, newSlot(m, t.set))
	}
	if !naive {
		return nil, errors.New("track: the naive forecast must be in the race")
	}
	return t, nil
}

// ID is the series' name.
func (t *Track) ID() market.SeriesID { return t.id }

// Head is the end of the chain as far as Step has taken it.
func (t *Track) Head() ledger.Head { return t.head }

// Inputs is the digest of all bars consumed.
func (t *Track) Inputs() ledger.Hash { return t.inputs }

// Last returns the newest bar, ok false when there is none.
func (t *Track) Last() (b market.Bar, ok bool) {
	if len(t.bars) == 0 {
		return b, false
	}
	return t.bars[len(t.bars)-1], true
}

// Step takes the next bar of the log at time now. In a Live track now is the wall
// clock; in a Replay it is ignored, the time of the data counts. An error is a
// programmer's mistake (a broken law of the ledger): the track must then be
// discarded.
func (t *Track) Step(in Input, now market.Time) (Result, error) {
	t.inputs = ledger.DigestBar(t.inputs, &in.Bar)
	var r Result
	if t.cfg.Mode == ledger.Replay {
		now = in.End
	}
	// Where the machine's clock is behind the data's, the data's counts.
	t.at = max(t.at, now, in.End)
	if last, ok := t.Last(); ok && in.Start <= last.Start {
		return r, t.revise(&r, &in.Bar)
	}
	if t.head.Seq == 0 && !in.Backfill {
		err := t.append(&r, ledger.Entry{Genesis: &ledger.GenesisBody{
			Simulated: t.cfg.Series.Instrument.Simulated, Calendar: t.cfg.Calendar.Name(), Horizons: t.longest()}})
		if err != nil {
			return r, err
		}
	}
	if in.AfterGap {
		if err := t.gap(&r, in.Start); err != nil {
			return r, err
		}
	}
	r.Break = t.split(&in)
	if err := t.settle(&r, &in); err != nil {
		return r, err
	}
	t.learn(in, r.Break)
	if in.Backfill {
		return r, nil
	}
	return r, t.issue(&r, now)
}

// Advance is Step with what every driver does around it: after it, the models whose
// parameters are due are fitted. History is learnt from without fitting; the models
// are fitted once, before the first bar that follows it.
func (t *Track) Advance(ctx context.Context, in Input, now market.Time) (Result, error) {
	if t.backfilled && !in.Backfill {
		if err := t.Fit(ctx); err != nil {
			return Result{}, err
		}
	}
	r, err := t.Step(in, now)
	if err != nil || in.Backfill {
		return r, err
	}
	return r, t.Fit(ctx)
}

// Fit estimates the parameters of every model that has none yet, and again of those
// whose parameters are RefitEvery bars old, from the bars consumed so far. It is
// called between steps, never inside one, and takes effect at the next. A model that
// cannot be fitted abstains, with the reason, until it can; one that could be once
// keeps its version.
func (t *Track) Fit(ctx context.Context) error {
	t.backfilled = false
	if len(t.bars) == 0 {
		return nil
	}
	for i := range t.slots {
		if s := &t.slots[i]; !s.ready || s.age >= t.cfg.RefitEvery {
			s.fit(ctx, t.window())
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

func (t *Track) window() forecast.Window {
	return forecast.NewWindow(t.cfg.Series.Interval, t.view(t.cfg.Window))
}

// longest is the furthest horizon.
func (t *Track) longest() int { return t.cfg.Horizons[len(t.cfg.Horizons)-1] }

// learn adds a bar, which may come after a break, to the window and lets the models see it.
func (t *Track) learn(in Input, b *Break) {
	if b != nil {
		t.breaks = append(t.breaks, forecast.Break{Start: in.Start, Factor: b.factor()})
	}
	t.push(in.Bar)
	t.backfilled = t.backfilled || in.Backfill
	t.ahead = t.targets(t.ahead[:0], in.Start)
	w := t.window().WithAhead(t.ahead)
	if b != nil {
		w = w.WithBreak(b.factor())
	}
	for i := range t.slots {
		t.slots[i].update(w, t.set)
	}
}

// targets appends to list the bars that the calendar expects after the one that begins at
// start.
func (t *Track) targets(list []market.Span, start market.Time) []market.Span {
	for range t.longest() {
		start = t.next(start)
		list = append(list, market.Span{Start: start, End: t.cfg.Series.Interval.End(start)})
	}
	return list
}

// push adds b to the window.
func (t *Track) push(b market.Bar) {
	if len(t.bars) >= 2*t.cfg.Window {
		from := len(t.bars) - t.cfg.Window + 1
		t.bars = t.bars[:copy(t.bars, t.bars[from:])]
		t.volatilities = t.volatilities[:copy(t.volatilities, t.volatilities[from:])]
		for len(t.breaks) > 0 && t.breaks[0].Start <= t.bars[0].Start {
			t.breaks = t.breaks[1:]
		}
	}
	t.bars = append(t.bars, b)
	t.gauge(len(t.bars) - 1)
}

// append seals e as the next entry of the chain.
func (t *Track) append(r *Result, e ledger.Entry) error {
	e.Series, e.Mode, e.At = t.id, t.cfg.Mode, t.at
	e.Seq, e.Prev = t.head.Seq+1, t.head.Hash
	s, err := ledger.Seal(&e)
	if err != nil {
		return fmt.Errorf("track: %w", err)
	}
	t.head = ledger.Head{Seq: s.Seq, Hash: s.Hash}
	r.Entries = append(r.Entries, s)
	return nil
}

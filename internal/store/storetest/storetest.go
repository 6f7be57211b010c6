// Package storetest is the specification of package store as a suite: every
// adapter passes it with one call of [Exercise].
package storetest

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Exercise checks a store against its contract. open returns a new, empty store
// that is closed when its test ends and notes commits by the clock now; it is called once for
// each case.
func Exercise(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	groups := []struct {
		name  string
		cases []testCase
	}{
		{"series", seriesCases}, {"bars", barCases}, {"steps", stepCases}, {"scores", scoreCases},
		{"quarantine", quarantineCases}, {"events", eventCases}, {"documents", documentCases}, {"actions", actionCases}, {"ticks", tickCases}, {"charts", chartCases}, {"concurrency", concurrencyCases},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, open(t, time.Now))
				})
			}
		})
	}
	t.Run("clock", func(t *testing.T) {
		for _, c := range clockCases {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				clock := &Clock{}
				c.run(t, open(t, clock.Now), clock)
			})
		}
	})
	t.Run("model", func(t *testing.T) {
		t.Parallel()
		exerciseModel(t, open)
	})
	t.Run("charts model", func(t *testing.T) {
		t.Parallel()
		exerciseCharts(t, open(t, time.Now))
	})
}

// fataler is what *testing.T, *testing.B and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

type testCase struct {
	name string
	run  func(*testing.T, store.Store)
}

// Series returns the record of an instrument called symbol at one-second bars.
func Series(symbol string) store.SeriesRecord {
	return store.SeriesRecord{
		Series: market.Series{
			Instrument: market.Instrument{Symbol: symbol, Venue: "sim", Class: market.Equity, Currency: "USD", PriceScale: 2, Calendar: "24x7", Simulated: true},
			Interval:   market.Second,
		},
		Mode: ledger.Live, Source: "sim", Base: true,
	}
}

// start0 is where the bars of this suite begin.
var start0 = market.TimeOf(time.Date(2024, 3, 1, 14, 30, 0, 0, time.UTC))

const second = market.Time(time.Second / time.Microsecond)

// Bar returns the i-th one-second bar of a series; its prices depend on i and
// revision.
func Bar(id market.SeriesID, i, revision int) store.BarRecord {
	open := 100 + math.Sin(float64(i))
	last := open + float64(revision)/8
	return store.BarRecord{Series: id, Bar: market.Bar{
		Start: start0 + market.Time(i)*second, End: start0 + market.Time(i+1)*second,
		Open: open, High: last + 0.25, Low: open - 0.25, Close: last, Volume: float64(i) / 3, Trades: int64(i), Revision: revision,
	}}
}

// Bars returns the bars from to to-1 of a series.
func Bars(id market.SeriesID, from, to int) []store.BarRecord {
	var list []store.BarRecord
	for i := from; i < to; i++ {
		list = append(list, Bar(id, i, 0))
	}
	return list
}

// Chain makes the entries of one series, each following the one before it.
type Chain struct {
	ID   market.SeriesID
	Mode ledger.Mode
	Head ledger.Head
}

// Seal seals e as the next entry of the chain.
func (c *Chain) Seal(e ledger.Entry) ledger.Sealed {
	e.Series, e.Mode, e.Seq, e.Prev = c.ID, c.Mode, c.Head.Seq+1, c.Head.Hash
	s, err := ledger.Seal(&e)
	if err != nil {
		panic(err)
	}
	c.Head = ledger.Head{Seq: s.Seq, Hash: s.Hash}
	return s
}

// Genesis seals the first entry.
func (c *Chain) Genesis() ledger.Sealed {
	return c.Seal(ledger.Entry{At: start0, Genesis: &ledger.GenesisBody{Simulated: true, Calendar: "24x7", Horizons: 5}})
}

// Issue seals forecasts of models for horizons 1 to horizons with the end of bar i
// as cutoff.
func (c *Chain) Issue(i, models, horizons int) ledger.Sealed {
	body := &ledger.IssueBody{Cutoff: start0 + market.Time(i+1)*second, Last: 100, Scale: 0.5}
	for m := range models {
		for h := 1; h <= horizons; h++ {
			f := forecast.Forecast{
				Model: Model(m), Version: Model(m) + "-1", Horizon: h, Point: 100 + float64(i)/7,
				Target: market.Span{Start: body.Cutoff + market.Time(h-1)*second, End: body.Cutoff + market.Time(h)*second},
			}
			for q := range f.Quantiles {
				f.Quantiles[q] = f.Point + float64(q-forecast.Q50)/3 + float64(i)/1e4
			}
			body.Forecasts = append(body.Forecasts, f)
		}
	}
	return c.Seal(ledger.Entry{At: body.Cutoff + 1000, Issue: body})
}

// Outcome seals the close of bar i.
func (c *Chain) Outcome(i, revision int) ledger.Sealed {
	b := Bar(c.ID, i, revision)
	return c.Seal(ledger.Entry{At: b.End + 900, Outcome: &ledger.OutcomeBody{Bar: b.Span(), Revision: revision, Close: b.Close}})
}

// Model names model number m.
func Model(m int) string { return [...]string{"naive", "drift", "ewma"}[m] }

// Scores returns what is scored on bar i: models times horizons.
func Scores(i, revision, models, horizons int) []score.Score {
	var list []score.Score
	for h := horizons; h >= 1; h-- {
		for m := range models {
			v := float64(i) + float64(m)/10 + float64(h)/100
			s := score.Score{
				Model: Model(m), Version: Model(m) + "-1", Horizon: h,
				Cutoff: start0 + market.Time(i-h+1)*second, Target: start0 + market.Time(i)*second, Revision: revision, Late: i%5 == 0,
				Last: 100, Predicted: 100 + math.Sin(v), Actual: 100 + math.Cos(float64(i+revision)), Lower: 99 - math.Sin(v), Upper: 101 + math.Sin(v),
				Scale: 0.5, CRPS: math.Abs(math.Sin(v)), NaiveCRPS: math.Abs(math.Sin(float64(i))),
				GainLow: -v, GainHigh: v / 2, PIT: math.Mod(v/10, 1), Volatility: float64(i % 3), Regime: forecast.Regime(i % 4),
			}
			if h == 2 {
				s.NaiveCRPS, s.GainLow, s.GainHigh = math.NaN(), math.NaN(), math.NaN() // naive abstained
			}
			list = append(list, s)
		}
	}
	return list
}

func register(t *testing.T, s store.Store, symbols ...string) (ids []market.SeriesID) {
	t.Helper()
	for _, sym := range symbols {
		rec := Series(sym)
		check(t, s.PutSeries(t.Context(), rec))
		ids = append(ids, rec.ID())
	}
	return ids
}

func check(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want one that wraps %v", err, want)
	}
}

// equal compares bit by bit: NaN equals itself and -0 differs from 0.
func equal[T any](t fataler, what string, got, want T) {
	t.Helper()
	bits := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
	if d := cmp.Diff(want, got, bits, cmp.AllowUnexported(market.Interval{})); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

// equalLists is equal for lists that are long or compared often: same is quick, and
// only a difference is looked at closely. No list is an empty one.
func equalLists[T any](t fataler, what string, got, want []T, same func(a, b T) bool) {
	t.Helper()
	if !slices.EqualFunc(got, want, same) {
		t.Fatalf("%s: %d, want %d (-want +got):\n%s", what, len(got), len(want), cmp.Diff(want, got, cmpopts.EquateNaNs()))
	}
}

func identical[T comparable](a, b T) bool { return a == b }

func sameEntry(a, b ledger.Sealed) bool {
	return a.Seq == b.Seq && a.Kind == b.Kind && a.Hash == b.Hash && bytes.Equal(a.Bytes, b.Bytes)
}

func sameScore(a, b score.Score) bool {
	for _, p := range [...][2]*float64{
		{&a.Last, &b.Last}, {&a.Predicted, &b.Predicted}, {&a.Actual, &b.Actual}, {&a.Lower, &b.Lower},
		{&a.Upper, &b.Upper}, {&a.Scale, &b.Scale}, {&a.CRPS, &b.CRPS}, {&a.NaiveCRPS, &b.NaiveCRPS},
		{&a.GainLow, &b.GainLow}, {&a.GainHigh, &b.GainHigh}, {&a.PIT, &b.PIT}, {&a.Volatility, &b.Volatility},
	} {
		if math.Float64bits(*p[0]) != math.Float64bits(*p[1]) {
			return false
		}
		*p[0], *p[1] = 0, 0 // a and b are copies
	}
	return a == b
}

func commitBars(t fataler, s store.Store, bars ...store.BarRecord) uint64 {
	t.Helper()
	kept, last, err := s.CommitBars(context.Background(), bars)
	check(t, err)
	if kept != len(bars) {
		t.Fatalf("kept %d of %d bars", kept, len(bars))
	}
	return last
}

func commitStep(t fataler, s store.Store, steps ...store.Step) uint64 {
	t.Helper()
	last, err := s.CommitStep(context.Background(), steps...)
	check(t, err)
	return last
}

func plain(recs []store.BarRecord) []market.Bar {
	var bars []market.Bar
	for _, r := range recs {
		bars = append(bars, r.Bar)
	}
	return bars
}

func scoresOf(t fataler, s store.ScoreReader, id market.SeriesID, q store.ScoreQuery) []score.Score {
	t.Helper()
	var list []score.Score
	check(t, s.EachScore(context.Background(), id, q, func(sc *score.Score) bool {
		list = append(list, *sc)
		return true
	}))
	return list
}

func eventsOf(t fataler, s store.EventReader, after uint64) []store.Event {
	t.Helper()
	list, err := s.EventsAfter(context.Background(), after, 1<<20)
	check(t, err)
	return list
}

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

package ledger_test

import (
	"math"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Entries of any contents that the laws allow.

var (
	texts = rapid.OneOf(rapid.StringN(0, 20, 80), rapid.SampledFrom([]string{
		"", "a <b> & \u2028 \"c\" \\ \n\x00\x7f", "\ufffd", strings.Repeat("é", 512), strings.Repeat("x", 1024)}))
	names = texts.Filter(func(s string) bool { return s != "" })

	numbers = rapid.OneOf(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64), rapid.SampledFrom([]float64{
		0, math.Copysign(0, -1), 1e-9, -37.63, math.SmallestNonzeroFloat64, math.MaxFloat64, -math.MaxFloat64, 0.1, 1e21, 1e-7}))
	hashes = rapid.Custom(func(t *rapid.T) (h ledger.Hash) {
		copy(h[:], rapid.SliceOfN(rapid.Byte(), len(h), len(h)).Draw(t, "bytes"))
		return h
	})
)

// between is a time from lo to hi, often one of the two.
func between(lo, hi market.Time) *rapid.Generator[market.Time] {
	return rapid.OneOf(rapid.SampledFrom([]market.Time{lo, hi, min(max(0, lo), hi)}),
		rapid.Map(rapid.Int64Range(int64(lo), int64(hi)), func(v int64) market.Time { return market.Time(v) }))
}

func counts(most int) *rapid.Generator[int] {
	return rapid.OneOf(rapid.SampledFrom([]int{0, most}), rapid.IntRange(0, most))
}

func drawEntry(t *rapid.T) *ledger.Entry {
	e := &ledger.Entry{
		Series: market.SeriesID(names.Draw(t, "series")),
		Mode:   rapid.SampledFrom([]ledger.Mode{ledger.Live, ledger.Replay}).Draw(t, "mode"),
		Seq:    rapid.OneOf(rapid.Uint64Range(2, 9), rapid.Uint64Range(2, math.MaxUint64)).Draw(t, "seq"),
		At:     between(market.MinTime+1, market.MaxTime-1).Draw(t, "at"),
		Prev:   hashes.Draw(t, "prev"),
	}
	switch rapid.SampledFrom([]ledger.Kind{ledger.Issue, ledger.Issue, ledger.Genesis, ledger.Outcome, ledger.Void, ledger.Gap}).Draw(t, "kind") {
	case ledger.Genesis:
		e.Seq, e.Prev = 1, ledger.Hash{}
		e.Genesis = &ledger.GenesisBody{Simulated: rapid.Bool().Draw(t, "simulated"), Calendar: texts.Draw(t, "calendar"), Horizons: rapid.IntRange(1, 65535).Draw(t, "horizons")}
	case ledger.Issue:
		e.Issue = drawIssue(t, e)
	case ledger.Outcome:
		end := between(market.MinTime+1, e.At).Draw(t, "end")
		e.Outcome = &ledger.OutcomeBody{Bar: market.Span{Start: between(market.MinTime, end-1).Draw(t, "start"), End: end},
			Revision: counts(math.MaxUint32).Draw(t, "revision"), Close: numbers.Draw(t, "close")}
	case ledger.Void:
		e.Void = &ledger.VoidBody{Targets: rapid.SliceOfN(between(market.MinTime, market.MaxTime), 1, 5).Draw(t, "targets"), Reason: texts.Draw(t, "reason")}
	case ledger.Gap:
		start := between(market.MinTime, market.MaxTime-1).Draw(t, "start")
		e.Gap = &ledger.GapBody{Span: market.Span{Start: start, End: between(start+1, market.MaxTime).Draw(t, "end")},
			Bars: counts(math.MaxUint32).Draw(t, "bars"), Missed: counts(math.MaxUint32).Draw(t, "missed"), Reason: texts.Draw(t, "reason")}
	}
	return e
}

func drawIssue(t *rapid.T, e *ledger.Entry) *ledger.IssueBody {
	b := &ledger.IssueBody{Cutoff: between(market.MinTime, e.At).Draw(t, "cutoff"), Inputs: hashes.Draw(t, "inputs"), Last: numbers.Draw(t, "last"), Scale: numbers.Draw(t, "scale"),
		Volatility: numbers.Draw(t, "volatility"), Regime: forecast.Regime(rapid.IntRange(0, int(forecast.HighVolatility)).Draw(t, "regime"))}
	for range rapid.IntRange(0, 4).Draw(t, "forecasts") {
		f := forecast.Forecast{Model: names.Draw(t, "model"), Version: names.Draw(t, "version"), Horizon: rapid.IntRange(1, 65535).Draw(t, "horizon"), Late: rapid.Bool().Draw(t, "late"), Point: numbers.Draw(t, "point")}
		f.Target.Start = between(b.Cutoff, market.MaxTime-1).Draw(t, "target")
		soonest := f.Target.Start + 1
		if e.Mode == ledger.Live {
			soonest = max(soonest, e.At+1)
		}
		f.Target.End = between(soonest, market.MaxTime).Draw(t, "target's end")
		q := rapid.SliceOfN(numbers, forecast.Levels, forecast.Levels).Draw(t, "quantiles")
		slices.Sort(q)
		copy(f.Quantiles[:], q)
		for range rapid.SampledFrom([]int{0, 0, 1, 3, 255}).Draw(t, "shares") {
			f.Shares = append(f.Shares, forecast.Share{Expert: names.Draw(t, "expert"), Weight: rapid.OneOf(rapid.Float64Range(0, 1), rapid.SampledFrom([]float64{0, 1})).Draw(t, "weight")})
		}
		b.Forecasts = append(b.Forecasts, f)
	}
	for range rapid.IntRange(0, 3).Draw(t, "abstentions") {
		b.Abstentions = append(b.Abstentions, forecast.Abstention{Model: names.Draw(t, "model"), Version: texts.Draw(t, "version"), Horizon: counts(65535).Draw(t, "horizon"), Reason: texts.Draw(t, "reason")})
	}
	return b
}

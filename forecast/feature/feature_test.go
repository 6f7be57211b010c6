package feature_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func stock(t testing.TB) []market.Bar {
	return forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))
}

func rows(bars []market.Bar) []feature.Row {
	b := feature.NewBuilder(feature.NewInput(market.Day, feature.MeanRange))
	var all []feature.Row
	for i := range bars {
		if b.Update(&bars[i]) {
			all = append(all, b.Row())
		}
	}
	return all
}

// The columns as their definitions say, computed the long way from all bars.
func TestRowByDefinition(t *testing.T) {
	bars := stock(t)[:120] // 17 weeks: no season yet; 50 of them are too few to be capped
	bars = bars[:60]
	got := rows(bars)[len(rows(bars))-1]

	n := len(bars)
	ret, v, vol := make([]float64, n), make([]float64, n), make([]float64, n)
	mean := func(x []float64, half float64) float64 { // exponentially weighted, from x[1]
		var sum, weight float64
		for i := 1; i < len(x); i++ {
			w := math.Exp2(-float64(len(x)-1-i) / half)
			sum += w * x[i]
			weight += w
		}
		return sum / weight
	}
	raw := make([]float64, n)
	square, signed := make([]float64, n), make([]float64, n)
	for i := 1; i < n; i++ {
		ret[i] = math.Log(bars[i].Close / bars[i-1].Close)
		raw[i] = feature.MeanRange.Variance(&bars[i], bars[i-1].Close)
		v[i] = math.Max(raw[i], 0.05*mean(raw[:i+1], 22))
		square[i], signed[i] = ret[i]*ret[i], ret[i]*math.Abs(ret[i])
	}
	for i := range vol {
		vol[i] = math.Log(bars[i].Volume)
	}
	e := mean(v, 16)
	s := math.Sqrt(e)
	back := func(k int) float64 {
		return math.Max(-4, math.Min(4, math.Log(bars[n-1].Close/bars[n-1-k].Close)/(s*math.Sqrt(float64(k)))))
	}
	want := feature.Row{
		feature.Return1: back(1), feature.Return2: back(2), feature.Return5: back(5), feature.Return22: back(22),
		feature.Fall: math.Max(0, -back(1)),
		feature.Vol1: math.Log(mean(v, 1) / e), feature.Vol4: math.Log(mean(v, 4) / e),
		feature.Vol64: math.Log(mean(v, 64) / e), feature.Vol250: math.Log(mean(v, 250) / e),
		feature.VolClose: math.Log(mean(square, 12) / e),
		feature.Volume:   vol[n-1] - mean(append([]float64{0}, vol[:n-1]...), 22),
		feature.Tilt:     mean(signed, 16) / mean(square, 16),
	}
	for j := range want {
		if math.Abs(got[j]-want[j]) > 1e-12 {
			t.Errorf("%s: got %v, want %v", feature.Names[j], got[j], want[j])
		}
	}
}

// A row is the same whatever came after its bar, whatever units prices and volumes
// have, and always finite.
func TestRows(t *testing.T) {
	bars := stock(t)[:1200]
	all := rows(bars)
	t.Run("no look-ahead", func(t *testing.T) {
		if before := rows(bars[:900]); !slices.Equal(before, all[:len(before)]) {
			t.Error("later bars changed a row")
		}
	})
	t.Run("units", func(t *testing.T) {
		scaled := slices.Clone(bars)
		for i := range scaled {
			b := &scaled[i]
			b.Open, b.High, b.Low, b.Close, b.Volume = b.Open*1000, b.High*1000, b.Low*1000, b.Close*1000, b.Volume*1e-6
		}
		for i, row := range rows(scaled) {
			for j := range row {
				if math.Abs(row[j]-all[i][j]) > 1e-11 {
					t.Fatalf("row %d, %s: %v, in other units %v", i, feature.Names[j], all[i][j], row[j])
				}
			}
		}
	})
	t.Run("finite", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			closes := rapid.SliceOfN(rapid.Float64Range(1e-12, 1e12), 32, 80).Draw(t, "closes")
			for i := range closes {
				if i > 0 && rapid.Bool().Draw(t, "still") {
					closes[i] = closes[i-1]
				}
			}
			for _, row := range rows(forecasttest.Bars(closes...)) {
				for j, x := range row {
					if math.IsNaN(x) || math.IsInf(x, 0) {
						t.Fatalf("%s is %v", feature.Names[j], x)
					}
				}
			}
		})
	})
	t.Run("no volume", func(t *testing.T) {
		still := slices.Clone(bars)
		for i := range still {
			still[i].Volume = 0
		}
		for _, row := range rows(still) {
			if row[feature.Volume] != 0 {
				t.Fatal("a surprise without volume")
			}
		}
	})
}

// A table's targets are the returns that its rows do not know.
func TestTable(t *testing.T) {
	bars := stock(t)[:700]
	w := forecast.NewWindow(market.Day, bars)
	table, err := feature.NewTable(w, feature.MeanRange, 100)
	if err != nil {
		t.Fatal(err)
	}
	first := len(bars) - len(table.Rows)
	for _, h := range feature.Anchors {
		for i := range table.Targets(h) {
			at := first + i
			want := math.Log(bars[at+h].Close / bars[at].Close)
			if got := table.Target(i, h) * table.Spread(i, h); math.Abs(got-want) > 1e-12 {
				t.Fatalf("row %d, horizon %d: %v, want %v", i, h, got, want)
			}
		}
	}
	if want := (table.Variance[11] + table.Variance[12]) / 2; math.Abs(table.MeanVariance(10, 2)-want) > 1e-18 {
		t.Errorf("mean variance %v, want %v", table.MeanVariance(10, 2), want)
	}
	// At sees fewer bars and the season of the end, so it is near, not equal.
	now, err := feature.At(w, table.Season, feature.MeanRange)
	if err != nil {
		t.Fatal(err)
	}
	last := len(table.Rows) - 1
	if math.Abs(now.Scale/table.Scale[last]-1) > 0.03 {
		t.Errorf("scale %v, the table has %v", now.Scale, table.Scale[last])
	}
	if got, want := now.Spread(w, 1), now.Scale*math.Sqrt(table.Season.Ahead(w, 1)); got != want {
		t.Errorf("spread %v, want %v", got, want)
	}
}

func TestRefuses(t *testing.T) {
	walk := forecasttest.Walk(3, 300)
	change := func(from, to int, close float64) []market.Bar {
		bars := slices.Clone(walk)
		for i := from; i < to; i++ {
			b := &bars[i]
			b.Open, b.High, b.Low, b.Close = close, close, close, close
		}
		return bars
	}
	cases := []struct {
		name string
		bars []market.Bar
		want error
	}{
		{"enough", walk, nil},
		{"too few bars", walk[:130], forecast.ErrTooShort},
		{"a price that does not move", change(0, 300, 50), forecast.ErrDegenerate},
		{"below zero long ago", change(10, 11, -37), nil},
		{"below zero lately", change(200, 201, -37), forecast.ErrDegenerate},
		{"not a number", change(299, 300, math.NaN()), forecast.ErrDegenerate},
		{"infinite", change(299, 300, math.Inf(1)), forecast.ErrDegenerate},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := feature.NewTable(forecast.NewWindow(market.Day, c.bars), feature.MeanRange, 100)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	t.Run("no such estimator", func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("it was accepted")
			}
		}()
		feature.NewInput(market.Day, 9)
	})
}

func TestBetween(t *testing.T) {
	cases := []struct {
		h, i  int
		share float64
	}{
		{1, 0, 0}, {2, 0, math.Log(2) / math.Log(5)}, {5, 1, 0}, {10, 1, 0.5}, {19, 1, math.Log(3.8) / math.Log(4)}, {20, 1, 1}, {300, 1, 1},
	}
	for _, c := range cases {
		if i, share := feature.Between(c.h); i != c.i || math.Abs(share-c.share) > 1e-15 {
			t.Errorf("horizon %d: %d, %v, want %d, %v", c.h, i, share, c.i, c.share)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("horizon 0 was accepted")
		}
	}()
	feature.Between(0)
}

// One bar's volatility is four times another's: the factors tell.
func TestSeason(t *testing.T) {
	cases := []struct {
		name     string
		interval market.Interval
		loud     func(start time.Time) bool
		closed   func(start time.Time) bool
	}{
		{"day of the week", market.Day,
			func(s time.Time) bool { return s.Weekday() == time.Wednesday }, func(time.Time) bool { return false }},
		{"hour of the day", market.Hour,
			func(s time.Time) bool { return s.Hour() == 15 }, func(time.Time) bool { return false }},
		{"first hour of a session", market.Hour,
			func(s time.Time) bool { return s.Hour() == 14 }, func(s time.Time) bool { return s.Hour() < 14 || s.Hour() > 20 }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var bars []market.Bar
			price, sign := 100.0, 1.0
			start := market.TimeOf(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
			for ; len(bars) < 900; start = c.interval.End(start) {
				if c.closed(start.Std()) {
					continue
				}
				step := 0.01
				if c.loud(start.Std()) {
					step = 0.02
				}
				sign = -sign
				price *= math.Exp(sign * step)
				bars = append(bars, market.Bar{Start: start, End: c.interval.End(start), Open: price, High: price, Low: price, Close: price})
			}
			in := feature.NewInput(c.interval, feature.MeanRange)
			early := in.Season()
			var loud, calm float64
			for i := range bars {
				in.Update(&bars[i])
				if i == 20 && (early.Seen() || early.Parameters() != nil) {
					t.Error("a season after 20 bars")
				}
				if c.loud(bars[i].Start.Std()) {
					loud = in.Factor
				} else {
					calm = in.Factor
				}
			}
			// Shrunk towards 1: 4 would take for ever.
			if !in.Season().Seen() || loud < 1.5*calm || loud > 4*calm {
				t.Errorf("factors %v and %v, want the first 1.5 to 4 times the second", loud, calm)
			}
			w := forecast.NewWindow(c.interval, bars)
			next := market.Span{Start: start, End: c.interval.End(start)}
			for c.closed(next.Start.Std()) {
				next = market.Span{Start: next.End, End: c.interval.End(next.End)}
			}
			got := in.Season().Ahead(w.WithAhead([]market.Span{next}), 1)
			if want := in.Season().Factor(next.Start, next.Start > w.Cutoff()); got != want {
				t.Errorf("ahead %v, want %v", got, want)
			}
		})
	}
	if s := feature.NewSeason(market.MustInterval("1w")); s.Seen() {
		t.Error("weeks have no season")
	}
}

func BenchmarkBuilder(b *testing.B) {
	bars := forecasttest.Walk(1, 4096)
	builder := feature.NewBuilder(feature.NewInput(market.Day, feature.MeanRange))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		builder.Update(&bars[i])
		i = (i + 1) % len(bars)
	}
}

func BenchmarkAt(b *testing.B) {
	bars := forecasttest.Walk(1, 1024)
	w := forecast.NewWindow(market.Day, bars)
	table, err := feature.NewTable(w, feature.MeanRange, 100)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := feature.At(w, table.Season, feature.MeanRange); err != nil {
			b.Fatal(err)
		}
	}
}

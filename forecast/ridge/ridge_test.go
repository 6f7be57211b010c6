package ridge

import (
	"context"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   201,
		Version: "ridge/1 range=mean newest=1000 least=150 season=[",
		OutOfRange: map[string]forecast.Forecaster{
			"zero":          Model{},
			"no such range": forecasttest.With(New(), func(m *Model) { m.Range = 77 }),
			"too few rows":  forecasttest.With(New(), func(m *Model) { m.Least = 20 }),
			"no residuals":  forecasttest.With(New(), func(m *Model) { m.Newest = 0 }),
		},
		Others: map[string]forecast.Forecaster{
			"fewer residuals": forecasttest.With(New(), func(m *Model) { m.Newest = 200 }),
		},
	})
}

// sines are the data of testdata/reference.py.
func sines() (rows []feature.Row, y []float64) {
	for i := 1.0; i <= 200; i++ {
		var row feature.Row
		for j := range row {
			row[j] = math.Sin(0.37*i*float64(j+2)) + 0.3*math.Sin(0.11*i)
		}
		rows = append(rows, row)
		y = append(y, 0.5+0.4*row[0]-0.2*row[3]+1.5*math.Sin(1.7*i*i))
	}
	return rows, y
}

// TestReference compares with testdata/reference.csv, which testdata/reference.py made: the
// normal equations and the trace of the hat matrix, by NumPy.
func TestReference(t *testing.T) {
	rows, y := sines()
	for _, row := range testdata.Table(t, "testdata/reference.csv") {
		s, err := newSolver(rows, int(row.Number(t, "h")))
		if err != nil {
			t.Fatal(err)
		}
		l := s.solve(y)
		near := func(column string, got, tolerance float64) {
			t.Helper()
			if want := row.Number(t, column); !(math.Abs(got-want) <= tolerance) {
				t.Errorf("horizon %s, %s: %v, want %v", row["h"], column, got, want)
			}
		}
		near("lambda", l.Lambda, 1e-9*l.Lambda)
		near("freedom", l.Freedom, 1e-9)
		near("intercept", l.Intercept, 1e-10)
		for j := range l.Slopes {
			near(fmt.Sprintf("b%d", j+1), l.Slopes[j], 1e-10)
		}
	}
}

// Where there is nothing to learn the penalty is heavy; where y is a line in x it is
// light and the line is found.
func TestPenalty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64Range(1, 1<<40).Draw(t, "seed")
		next := func() float64 { // xorshift
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			return float64(seed>>11)/(1<<53)*2 - 1
		}
		column := rapid.IntRange(0, feature.Columns-1).Draw(t, "column")
		rows, line, noise := make([]feature.Row, 400), make([]float64, 400), make([]float64, 400)
		for i := range rows {
			for j := range rows[i] {
				rows[i][j] = next()
			}
			line[i] = 3 + 2*rows[i][column] + 0.01*next()
			noise[i] = next()
		}
		s, err := newSolver(rows, 1)
		if err != nil {
			t.Fatal(err)
		}
		if l := s.solve(line); math.Abs(l.Slopes[column]-2) > 0.01 || math.Abs(l.Intercept-3) > 0.01 {
			t.Fatalf("slope %v, intercept %v, want 2 and 3", l.Slopes[column], l.Intercept)
		}
		if l := s.solve(noise); l.Freedom > feature.Columns+1 || l.Most-l.Lowest > 2 {
			t.Fatalf("from noise: %v degrees of freedom, fits from %v to %v", l.Freedom, l.Lowest, l.Most)
		}
		still := s.solve(make([]float64, 400))
		if still.Lambda != penalties[0] && still.Lambda != heaviest || still.at(&rows[0]) != 0 {
			t.Fatalf("from nothing: %v", still)
		}
	})
}

// An answer far from all that was learnt from is no wilder than the wildest of those.
func TestStaysWithin(t *testing.T) {
	rows, y := sines()
	s, err := newSolver(rows, 1)
	if err != nil {
		t.Fatal(err)
	}
	l := s.solve(y)
	far := feature.Row{1e6, 0, 0, -1e6}
	if got := l.at(&far); got < l.Lowest || got > l.Most {
		t.Errorf("%v, outside %v to %v", got, l.Lowest, l.Most)
	}
}

func fit(t testing.TB, m Model, w forecast.Window) forecast.Fitted {
	t.Helper()
	f, err := m.Fit(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func BenchmarkFit(b *testing.B) {
	bars := forecasttest.Walk(1, 2500)
	for _, n := range []struct {
		name string
		bars int
	}{{"300", 300}, {"1024", 1024}, {"2500", 2500}} {
		b.Run(n.name, func(b *testing.B) {
			w := forecast.NewWindow(market.Day, bars[:n.bars])
			b.ReportAllocs()
			for b.Loop() {
				fit(b, New(), w)
			}
		})
	}
}

func BenchmarkPredict(b *testing.B) {
	w := forecast.NewWindow(market.Day, forecasttest.Walk(1, 1024))
	f := fit(b, New(), w)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Predict(w, 1); err != nil {
			b.Fatal(err)
		}
	}
}

package score

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// An Accumulator says what Windows says from scratch, to the last bit, at every
// step: while it evicts, when its medians turn into sketches, with revisions and
// with scores that come a little late.
func TestAccumulatorEqualsWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := drawScores(t, 1, 600)
		hold := rapid.IntRange(minHeld, 400).Draw(t, "hold")
		exact := rapid.IntRange(1, 700).Draw(t, "exact")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed of disorder"), 0))
		for range len(scores) / 20 { // neighbours change places
			if i := r.IntN(len(scores)); i > 0 {
				scores[i-1], scores[i] = scores[i], scores[i-1]
			}
		}
		sized := func() *Accumulator { return &Accumulator{hold: hold, exact: exact, gone: newTotals()} }
		a := sized()
		fed := make([]Score, 0, len(scores))
		for i, s := range scores {
			feed := []Score{s}
			if i > 0 && r.IntN(10) == 0 { // a revision of one of the last 16
				rev := scores[i-1-r.IntN(min(i, 16))]
				rev.Revision++
				rev.Actual *= 1.01
				feed = append(feed, rev)
			}
			for _, s := range feed {
				if err := a.Add(s); err != nil {
					t.Fatal(err)
				}
				fed = append(fed, s)
			}
			if i%97 != 0 && i != len(scores)-1 {
				continue
			}
			asOf, _ := a.AsOf()
			if d := cmp.Diff(windowsOf(sized(), fed, asOf), a.Windows(), cmpopts.EquateNaNs()); d != "" {
				t.Fatalf("after %d scores (-from scratch +accumulated): %s", i+1, d)
			}
			if a.Len() != i+1 {
				t.Fatalf("Len is %d after %d", a.Len(), i+1)
			}
		}
	})
}

// The exported sizes: a week of one score a minute is evicted but for a day and
// still has exact medians.
func TestAccumulatorWeek(t *testing.T) {
	a := NewAccumulator()
	r := rand.New(rand.NewPCG(7, 7))
	var fed []Score
	for i := range 7 * 1440 {
		s := one(time.Duration(i)*time.Minute, 100, 100+r.NormFloat64(), 100+r.NormFloat64())
		fed = append(fed, s)
		if err := a.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	asOf, ok := a.AsOf()
	if !ok || asOf != fed[len(fed)-1].Target {
		t.Errorf("AsOf is %s, %v", asOf, ok)
	}
	rows := a.Windows()
	if d := cmp.Diff(Windows(fed, asOf), rows, cmpopts.EquateNaNs()); d != "" {
		t.Error(d)
	}
	for i, want := range []int{1, 10, 60, 360, 1440, 7 * 1440} {
		if rows[i].N != want {
			t.Errorf("%s: %d scores, want %d", rows[i].Window, rows[i].N, want)
		}
	}
	if n := a.held.len(); n < 1440 || n > 1440*8/7+1 {
		t.Errorf("%d scores are held", n)
	}
}

func TestAccumulatorTooOld(t *testing.T) {
	a := NewAccumulator()
	for i := range 100 {
		if err := a.Add(one(time.Duration(i)*24*time.Hour, 100, 100, 101)); err != nil {
			t.Fatal(err)
		}
	}
	before := a.Windows()
	if err := a.Add(one(0, 100, 100, 150)); !errors.Is(err, ErrTooOld) {
		t.Errorf("got %v, want ErrTooOld", err)
	}
	if d := cmp.Diff(before, a.Windows(), cmpopts.EquateNaNs()); d != "" || a.Len() != 100 {
		t.Errorf("a refused score left a trace: %s", d)
	}
	// The oldest of the 64 newest may still be revised.
	if err := a.Add(one(36*24*time.Hour, 100, 100, 150)); err != nil {
		t.Error(err)
	}
	if s := row1(t, a.Windows(), WindowAll); s.N != 100 || s.Error.Max != 50 {
		t.Errorf("after the revision: %d scores, largest error %v", s.N, s.Error.Max)
	}
}

// Past the limit the medians of all come from a sketch, within 1 %, and say so.
func TestApproximateMedian(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := drawScores(t, 50, 400)
		a := &Accumulator{hold: maxHeld, exact: 49, gone: newTotals()}
		for _, s := range scores {
			if err := a.Add(s); err != nil {
				t.Fatal(err)
			}
		}
		rows := a.Windows()
		got := rows[len(rows)-1]
		if !got.MedianApproximate || rows[0].MedianApproximate {
			t.Fatal("the wrong medians are called approximate")
		}
		// An even number averages two middle values, each within 1 % of its own.
		middle := func(f func(*Score) float64) (m, tolerance float64) {
			var x []float64
			for i := range scores {
				x = append(x, f(&scores[i]))
			}
			slices.Sort(x)
			lo, hi := x[(len(x)-1)/2], x[len(x)/2]
			return (lo + hi) / 2, 0.0100001 * (math.Abs(lo) + math.Abs(hi)) / 2
		}
		for name, c := range map[string]struct {
			got float64
			f   func(*Score) float64
		}{
			"error":    {got.Error.Median, (*Score).Error},
			"absolute": {got.AbsoluteError.Median, func(s *Score) float64 { return math.Abs(s.Error()) }},
			"percent":  {got.PercentError.Median, (*Score).PercentError},
		} {
			if want, tolerance := middle(c.f); math.Abs(c.got-want) > tolerance {
				t.Fatalf("%s: median %v, want %v ± %v", name, c.got, want, tolerance)
			}
		}
	})
}

func TestSketchExtremes(t *testing.T) {
	var s sketch
	if !math.IsNaN(s.median()) || !math.IsNaN(s.medianAbs()) {
		t.Error("an empty sketch has a median")
	}
	for _, x := range []float64{5e-324, math.MaxFloat64, -math.MaxFloat64, 0, -5e-324} {
		s.add(x, 1)
	}
	if s.median() != 0 || s.rank(4) > math.MaxFloat64 || s.rank(4) < 0.98*math.MaxFloat64 || s.rank(0) != -s.rank(4) {
		t.Errorf("median %v, ends %v and %v", s.median(), s.rank(0), s.rank(4))
	}
	for _, x := range []float64{math.MaxFloat64, -math.MaxFloat64, 0, -5e-324} {
		s.add(x, -1)
	}
	if s.n != 1 || s.median() > 1e-300 {
		t.Errorf("what was taken out is still there: median %v of %d", s.median(), s.n)
	}
	var neg sketch
	neg.add(-3, 1)
	if m := neg.median(); math.Abs(m+3) > 0.03 || neg.medianAbs() != -m {
		t.Errorf("median of -3 is %v, of its size %v", m, neg.medianAbs())
	}
}

// One score a second, at the size the day has reached.
func BenchmarkAccumulatorAdd(b *testing.B) {
	a := NewAccumulator()
	r := rand.New(rand.NewPCG(1, 1))
	s := one(0, 100, 100, 100)
	b.ReportAllocs()
	for b.Loop() {
		s.Target = s.Target.Add(time.Second)
		s.Predicted, s.Actual = 100+r.NormFloat64(), 100+r.NormFloat64()
		if err := a.Add(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAccumulatorWindows(b *testing.B) {
	for _, n := range []int{100, 3600, 86_400, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			a := NewAccumulator()
			r := rand.New(rand.NewPCG(1, 1))
			for i := range n {
				if err := a.Add(one(time.Duration(i)*time.Second, 100, 100+r.NormFloat64(), 100+r.NormFloat64())); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				a.cache = nil
				a.Windows()
			}
		})
	}
}

package forecasttest

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Follow runs the suite of a forecast.Follower's state on a recorded series of at least
// 1,500 bars, beside Exercise:
//
//   - a state that was written and read back goes on as if nothing had been, to the last
//     bit, and refuses bytes that are cut off, prolonged or of another model;
//   - it abstains before its first estimation, and after a bad bar until it knows better,
//     with a data error, and answers validly again;
//   - it learns nothing from a break ([Breaks]);
//   - an estimation that fails leaves the version as it was;
//   - Adopt takes over the parameters and leaves from alone.
func Follow(t *testing.T, f forecast.Follower, bars []market.Bar) {
	t.Helper()
	FollowTrained(t, f, bars)
	Breaks(t, f, bars)
	t.Run("refit and adopt", func(t *testing.T) { adopts(t, f, setting, bars[:1500]) })
}

// FollowTrained is Follow for a model whose parameters were estimated elsewhere, so that
// Refit leaves the version as it is.
func FollowTrained(t *testing.T, f forecast.Follower, bars []market.Bar) {
	t.Helper()
	t.Run("written and read", func(t *testing.T) { written(t, f, setting, bars[:1500]) })
	t.Run("bad bars", func(t *testing.T) { badBars(t, f, setting, bars[:1500]) })
	t.Run("scenes", func(t *testing.T) { followed(t, f) })
}

var setting = forecast.Setting{Interval: market.Day, Horizons: []int{1, 3, 20}}

// upTo is the window at bar i.
func upTo(bars []market.Bar, i int) forecast.Window { return window(bars[max(0, i-1023) : i+1]) }

// drive updates s with bars from..to-1, estimating after every 50th.
func drive(t *testing.T, s forecast.State, bars []market.Bar, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		s.Update(upTo(bars, i))
		if i%50 == 49 && i > 400 {
			if err := s.Refit(context.Background()); err != nil {
				t.Fatalf("Refit at bar %d: %v", i, err)
			}
		}
	}
}

func written(t *testing.T, f forecast.Follower, set forecast.Setting, bars []market.Bar) {
	// What a state says that is never written.
	const on = 60 // bars on from where it is written
	want := map[int][]answer{}
	whole := f.Follow(set)
	stops := []int{0, 1, 300, 470, 1100, 1130}
	for i, at := 0, 0; i < len(stops); i++ {
		for ; at < stops[i]+on; at++ {
			drive(t, whole, bars, at, at+1)
			want[at] = say(whole, set, upTo(bars, at))
		}
	}
	a := f.Follow(set)
	at := 0
	for _, stop := range stops {
		drive(t, a, bars, at, stop)
		at = stop
		w := forecast.NewArchive()
		a.Persist(w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b, c := f.Follow(set), f.Follow(set)
		r := forecast.ReadArchive(w.Bytes())
		b.Persist(r)
		if err := r.Close(); err != nil {
			t.Fatalf("at bar %d: %v", stop, err)
		}
		c.Persist(forecast.ReadArchive(w.Bytes()))
		// What was written and what was read, and that beside another copy, go on alike.
		for i := max(0, stop-1); i < stop+on; i++ {
			if i >= stop {
				drive(t, b, bars, i, i+1)
				drive(t, c, bars, i, i+1)
			}
			for _, s := range []forecast.State{a, b, c} {
				if s == a && i >= stop {
					continue
				}
				for k, got := range say(s, set, upTo(bars, i)) {
					if expect := &want[i][k]; !got.same(expect) {
						t.Fatalf("written at bar %d, at bar %d, horizon %d: %v, want %v", stop, i, set.Horizons[k], got, *expect)
					}
				}
			}
		}
		if n := len(w.Bytes()); n > 16 {
			for _, bad := range [][]byte{w.Bytes()[:n-8], append(slices.Clone(w.Bytes()), 0), nil} {
				r := forecast.ReadArchive(bad)
				f.Follow(set).Persist(r)
				if err := r.Close(); !errors.Is(err, forecast.ErrArchive) {
					t.Errorf("%d of %d bytes: %v, want ErrArchive", len(bad), n, err)
				}
			}
		}
	}
}

// answer is what a state said for one horizon.
type answer struct {
	p   forecast.Prediction
	err error
}

func (a *answer) same(b *answer) bool {
	return (a.err == nil) == (b.err == nil) && (a.err != nil || same(&a.p, &b.p))
}

// say asks for every horizon of the setting.
func say(s forecast.State, set forecast.Setting, w forecast.Window) []answer {
	list := make([]answer, len(set.Horizons))
	for i, h := range set.Horizons {
		list[i].p, list[i].err = s.Predict(w, h)
	}
	return list
}

func badBars(t *testing.T, f forecast.Follower, set forecast.Setting, bars []market.Bar) {
	s := f.Follow(set)
	drive(t, s, bars, 0, 60)
	if _, err := s.Predict(upTo(bars, 59), 1); !isData(err) {
		t.Fatalf("before the first estimation: %v, want a data error", err)
	}
	drive(t, s, bars, 60, 900)
	w := forecast.NewArchive()
	s.Persist(w)
	for name, p := range map[string]float64{"zero": 0, "negative": -37.63, "NaN": math.NaN(), "infinite": math.Inf(1)} {
		bad := slices.Clone(bars)
		b := &bad[900]
		b.Open, b.High, b.Low, b.Close = p, p, p, p
		s := f.Follow(set)
		s.Persist(forecast.ReadArchive(w.Bytes()))
		s.Update(upTo(bad, 900))
		for _, a := range say(s, set, upTo(bad, 900)) {
			if !isData(a.err) {
				t.Errorf("%s: after it %v %v, want a data error", name, a.p, a.err)
			}
		}
		// The next bars are good, but for one that jumps.
		for i := 901; i < 1200; i++ {
			w := upTo(bad, i)
			s.Update(w)
			if i%50 == 49 {
				_ = s.Refit(context.Background()) // too few bars since: the version stays
			}
			for _, a := range say(s, set, w) {
				if a.err == nil {
					a.err = valid(&a.p)
				}
				if a.err != nil && (!isData(a.err) || i > 1150) {
					t.Fatalf("%s: %d bars later: %v", name, i-900, a.err)
				}
			}
		}
	}
}

func adopts(t *testing.T, f forecast.Follower, set forecast.Setting, bars []market.Bar) {
	a := f.Follow(set)
	drive(t, a, bars, 0, 1000)
	version := func(s forecast.State) string {
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := version(a)
	b := f.Follow(set)
	if err := b.Refit(context.Background()); !isData(err) {
		t.Errorf("an estimation on nothing: %v, want a data error", err)
	}
	b.Adopt(a)
	if version(b) != before || version(a) != before {
		t.Error("after Adopt the versions differ")
	}
	drive(t, b, bars, 1000, 1040)
	if version(a) != before {
		t.Error("what adopted changed what it adopted from")
	}
	drive(t, a, bars, 1000, 1049)
	if version(a) != before {
		t.Error("the version changes without an estimation")
	}
	drive(t, a, bars, 1049, 1050)
	if version(a) == before {
		t.Error("an estimation does not change the version")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	now := version(a)
	if err := a.Refit(ctx); err == nil || version(a) != now {
		t.Errorf("a cancelled estimation: %v", err)
	}
}

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

// follows are the rules of a state.
func (c *Case) follows(t *testing.T, f forecast.Follower, bars []market.Bar) {
	bars = bars[:1500]
	t.Run("written and read", func(t *testing.T) { written(t, f, bars) })
	t.Run("bad bars", func(t *testing.T) { badBars(t, f, bars) })
	if !c.Priced {
		t.Run("breaks", func(t *testing.T) { breaks(t, f, bars) })
	}
	t.Run("refit and adopt", func(t *testing.T) { c.adopts(t, f, bars) })
	t.Run("scenes", func(t *testing.T) { followed(t, f) })
	t.Run("random paths", func(t *testing.T) { wander(t, f) })
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

func written(t *testing.T, f forecast.Follower, bars []market.Bar) {
	// What a state says that is never written.
	const on = 60 // bars on from where it is written
	want := map[int][]answer{}
	whole := f.Follow(setting)
	stops := []int{0, 1, 300, 470, 1100, 1130}
	for i, at := 0, 0; i < len(stops); i++ {
		for ; at < stops[i]+on; at++ {
			drive(t, whole, bars, at, at+1)
			if at >= stops[i]-1 {
				want[at] = say(whole, upTo(bars, at))
			}
		}
	}
	a := f.Follow(setting)
	at := 0
	for _, stop := range stops {
		drive(t, a, bars, at, stop)
		at = stop
		w := forecast.NewArchive()
		a.Persist(w)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		b, c := f.Follow(setting), f.Follow(setting)
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
				for k, got := range say(s, upTo(bars, i)) {
					if expect := &want[i][k]; !got.same(expect) {
						t.Fatalf("written at bar %d, at bar %d, horizon %d: %v, want %v", stop, i, setting.Horizons[k], got, *expect)
					}
				}
			}
		}
		if n := len(w.Bytes()); n > 16 {
			for _, bad := range [][]byte{w.Bytes()[:n-8], append(slices.Clone(w.Bytes()), 0), nil} {
				r := forecast.ReadArchive(bad)
				f.Follow(setting).Persist(r)
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
func say(s forecast.State, w forecast.Window) []answer {
	list := make([]answer, len(setting.Horizons))
	for i, h := range setting.Horizons {
		list[i].p, list[i].err = s.Predict(w, h)
	}
	return list
}

func badBars(t *testing.T, f forecast.Follower, bars []market.Bar) {
	s := f.Follow(setting)
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
		s := f.Follow(setting)
		s.Persist(forecast.ReadArchive(w.Bytes()))
		s.Update(upTo(bad, 900))
		for _, a := range say(s, upTo(bad, 900)) {
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
			for _, a := range say(s, w) {
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

// adopts checks estimations and Adopt by the version that they leave.
func (c *Case) adopts(t *testing.T, f forecast.Follower, bars []market.Bar) {
	a := f.Follow(setting)
	drive(t, a, bars, 0, 1000)
	before := encode(t, a)
	b := f.Follow(setting)
	if err := b.Refit(context.Background()); !isData(err) {
		t.Errorf("an estimation on nothing: %v, want a data error", err)
	}
	b.Adopt(a)
	if encode(t, b) != before || encode(t, a) != before {
		t.Error("after Adopt the versions differ")
	}
	drive(t, b, bars, 1000, 1040)
	if encode(t, a) != before {
		t.Error("what adopted changed what it adopted from")
	}
	drive(t, a, bars, 1000, 1049)
	if encode(t, a) != before {
		t.Error("the version changes without an estimation")
	}
	a.Update(upTo(bars, 1049))
	// However late an estimation is cancelled, it changes nothing; in the end there is one. A
	// state that is made of others may have estimated some of them: it is thrown away then.
	said := say(a, upTo(bars, 1049))
	_, combined := a.(forecast.Combined)
	for looks := int64(0); ; looks = 2*looks + 1 {
		err := a.Refit(cancelAfter(looks))
		if err == nil {
			if looks == 0 {
				t.Error("a cancelled estimation is carried out")
			}
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("an estimation cancelled at look %d: %v", looks+1, err)
		}
		if combined && looks > 0 {
			continue
		}
		if encode(t, a) != before {
			t.Errorf("an estimation cancelled at look %d changes the version", looks+1)
		}
		for k, now := range say(a, upTo(bars, 1049)) {
			if !now.same(&said[k]) {
				t.Errorf("an estimation cancelled at look %d changes the answer from %v to %v", looks+1, said[k], now)
			}
		}
	}
	if (encode(t, a) == before) != c.Trained {
		t.Errorf("an estimation changes the version: %t", !c.Trained)
	}
}

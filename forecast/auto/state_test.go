package auto_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/forecast/conformal"
	"github.com/foretick/foretick/market"
)

// Written anywhere, while experts are silent and after bars that cannot be learnt from too,
// a pool goes on to the last bit, and says at once what it said.
func TestPersist(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := auto.New(moody(t, "a", true).expert(1), moody(t, "b", true).expert(2))
		m.Learn, m.Daily = 20, conformal.Prior{Tilt: -0.3}
		horizons := []int{1, 3}
		list := draw(rapid.Uint64().Draw(t, "market"), 120, 0.01)
		for range rapid.IntRange(0, 2).Draw(t, "bad bars") {
			list[rapid.IntRange(0, len(list)-1).Draw(t, "bad bar")].Close = rapid.SampledFrom([]float64{0, -37.63, math.NaN(), math.Inf(1)}).Draw(t, "close")
		}
		stop := rapid.IntRange(0, len(list)).Draw(t, "written after")
		whole := follow(m, horizons...)
		var read forecast.State
		for i := range list {
			whole.Update(at(list, i))
			switch {
			case i == stop:
				_, said := whole.Predict(forecast.Window{}, 3)
				w := forecast.NewArchive()
				whole.Persist(w)
				if _, err := whole.Predict(forecast.Window{}, 3); fmt.Sprint(err) != fmt.Sprint(said) {
					t.Fatalf("it was written, and says %v, before %v", err, said)
				}
				r := forecast.ReadArchive(w.Bytes())
				read = follow(m, horizons...)
				read.Persist(r)
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
				again := forecast.NewArchive()
				read.Persist(again)
				if !slices.Equal(w.Bytes(), again.Bytes()) {
					t.Fatal("what was read is written otherwise")
				}
			case read != nil:
				read.Update(at(list, i))
			default:
				continue
			}
			for _, h := range horizons {
				p, err := whole.Predict(forecast.Window{}, h)
				q, err2 := read.Predict(forecast.Window{}, h)
				if p != q || (err == nil) != (err2 == nil) {
					t.Fatalf("%d bars later, horizon %d: %v %v, want %v %v", i-stop, h, q, err2, p, err)
				}
				a, b := whole.(forecast.Combined).Shares(h), read.(forecast.Combined).Shares(h)
				if !slices.Equal(a, b) {
					t.Fatalf("%d bars later, horizon %d: shares %v, want %v", i-stop, h, b, a)
				}
			}
		}
	})
}

// An expert that answers in several ways counts as several; each has a weight of its own, and
// they are silent together.
func TestChorus(t *testing.T) {
	many := script{name: "many", names: 3, say: func(bar, h, k int) (forecast.Quantiles, error) {
		if bar == 400 && k == 1 {
			return forecast.Quantiles{}, forecast.ErrDegenerate
		}
		return normal(0, []float64{0.004, 0.01, 0.03}[k])(bar, h, 0)
	}}
	m := auto.New(many.expert(1), script{name: "far", say: normal(0.05, 0.01)}.expert(1))
	// The same four as experts of their own.
	var single []auto.Expert
	for k := range 3 {
		single = append(single, script{name: "many", say: func(bar, h, _ int) (forecast.Quantiles, error) { return many.say(bar, h, k) }}.expert(1))
		single[k].Names = many.expert(1).Names[k : k+1]
	}
	apart := auto.New(append(single, m.Experts[1])...)
	a, b := follow(m, 2), follow(apart, 2)
	list := draw(4, 401, 0.01)
	for i := range list {
		a.Update(at(list, i))
		b.Update(at(list, i))
		if i == 400 {
			break
		}
		if x, y := a.(forecast.Combined).Shares(2), b.(forecast.Combined).Shares(2); !slices.Equal(x, y) {
			t.Fatalf("bar %d: shares %v, apart %v", i, x, y)
		}
	}
	if x := shares(a, 2); len(x) != 1 || x["far0"] != 1 {
		t.Errorf("one of three ways failed: shares %v", x)
	}
	if x := shares(b, 2); len(x) != 3 {
		t.Errorf("one of four experts failed: shares %v", x)
	}
}

// A bar that cannot be learnt from ends what waits for an outcome, and is passed over: the
// next return is that of the two bars after it, and weights go on from where they were.
func TestBadBars(t *testing.T) {
	m := auto.New(script{name: "a", say: normal(0, 0.01)}.expert(1), script{name: "b", say: normal(0, 0.02)}.expert(1))
	list := draw(5, 300, 0.01)
	for _, bad := range []float64{0, -37.63, math.NaN(), math.Inf(1)} {
		s := follow(m, 1, 5)
		list := slices.Clone(list)
		list[200].Close = bad
		var before map[string]float64
		for i := range list {
			s.Update(at(list, i))
			p, err := s.Predict(forecast.Window{}, 5)
			switch {
			case i == 0 || i == 200 || i == 201:
				if want := map[bool]error{true: forecast.ErrTooShort, false: forecast.ErrDegenerate}[i == 0]; !errors.Is(err, want) {
					t.Errorf("a close of %v, bar %d: %v, %v, want %v", bad, i, p, err, want)
				}
			case err != nil:
				t.Fatalf("a close of %v, bar %d: %v", bad, i, err)
			case i == 199:
				before = shares(s, 5)
			case i >= 202 && i < 207: // no outcome is known
				for name, w := range shares(s, 5) {
					if w != before[name] {
						t.Errorf("a close of %v, bar %d: the weight of %s went from %v to %v", bad, i, name, before[name], w)
					}
				}
			case i == 208:
				if x := shares(s, 5); x["a0"] == before["a0"] {
					t.Errorf("a close of %v: nothing is learnt after it", bad)
				}
			}
		}
	}
}

// A split is no return: a pool that is told of it learns what one learns whose prices never
// split.
func TestBreaks(t *testing.T) {
	m := auto.New(script{name: "a", say: normal(0, 0.01)}.expert(1), script{name: "b", say: normal(0, 0.02)}.expert(1))
	list := draw(6, 200, 0.01)
	split := slices.Clone(list)
	for i := 100; i < len(split); i++ {
		split[i].Close /= 4
	}
	a, b := follow(m, 1, 5), follow(m, 1, 5)
	for i := range list {
		a.Update(at(list, i))
		w := at(split, i)
		if i == 100 {
			w = w.WithBreak(0.25)
		}
		b.Update(w)
	}
	for _, h := range []int{1, 5} {
		x, y := shares(a, h), shares(b, h)
		if len(x) != 2 || math.Abs(x["a0"]-y["a0"]) > 1e-12 || x["a0"] == 0.5 {
			t.Errorf("horizon %d: shares %v, without a split %v", h, y, x)
		}
	}
}

// Refit and Adopt are the experts': the pool's own weights are not parameters, and stay.
func TestRefitAndAdopt(t *testing.T) {
	failing := script{name: "failing", say: normal(0, 0.02), fails: errors.New("not today")}
	good := script{name: "good", say: normal(0, 0.01)}
	list := draw(7, 200, 0.01)
	run := func(bars int, experts ...auto.Expert) forecast.State {
		s := follow(auto.New(experts...), 1)
		for i := range bars {
			s.Update(at(list, i))
		}
		return s
	}
	version := func(s forecast.State) string {
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	s, other := run(200, good.expert(1), script{name: "wide", say: normal(0, 0.02)}.expert(1)), run(100, good.expert(1), script{name: "wide", say: normal(0, 0.02)}.expert(1))
	if err := s.Refit(t.Context()); err != nil {
		t.Error(err)
	}
	fresh := version(other)
	if version(s) == fresh {
		t.Error("the version is that of before the estimation")
	}
	before := shares(other, 1)
	other.Adopt(s)
	if version(other) != version(s) || shares(other, 1)["good0"] != before["good0"] {
		t.Errorf("adopted: version %q, want %q; shares %v, want %v", version(other), version(s), shares(other, 1), before)
	}
	if err := other.Refit(t.Context()); err != nil || version(other) == version(s) {
		t.Errorf("what adopted is tied to what it adopted from: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Refit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := run(50, failing.expert(1), good.expert(1)).Refit(t.Context()); err != nil {
		t.Errorf("one of two could be estimated, and yet: %v", err)
	}
	lost := run(50, failing.expert(1), failing.expert(1))
	if err := lost.Refit(t.Context()); !errors.Is(err, failing.fails) {
		t.Errorf("none could be estimated: %v", err)
	}
	if b, err := lost.Encode(); !errors.Is(err, failing.fails) {
		t.Errorf("an expert has no version: %q, %v", b, err)
	}
}

// Two pools have the same version only when all of their experts have.
func TestVersionsDoNotRunTogether(t *testing.T) {
	version := func(names ...string) string {
		m := auto.New()
		for _, n := range names {
			m.Experts = append(m.Experts, script{name: n, say: normal(0, 1)}.expert(1))
		}
		b, err := follow(m, 1).Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	seen := map[string][]string{}
	for _, names := range [][]string{{"a"}, {"a", "b"}, {"b", "a"}, {"ab"}, {"a 0 3:b"}, {"a 0 b"}, {"a", "a"}} {
		v := version(names...)
		if seen[v] != nil {
			t.Errorf("%q and %q are both %q", names, seen[v], v)
		}
		seen[v] = names
	}
}

func TestHorizonNobodyAskedFor(t *testing.T) {
	s := auto.New(script{name: "a", say: normal(0, 1)}.expert(1)).Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1, 5}})
	defer func() {
		if recover() == nil {
			t.Error("horizon 2 was answered")
		}
	}()
	_, _ = s.Predict(forecast.Window{}, 2)
}

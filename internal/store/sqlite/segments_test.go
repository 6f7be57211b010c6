package sqlite

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

func drawScore(t *rapid.T) score.Score {
	number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(-1), 1}))
	v := func(name string) float64 { return number.Draw(t, name) }
	return score.Score{
		Model: rapid.SampledFrom([]string{"naive", "ewma", "", "a model with a name"}).Draw(t, "model"), Version: rapid.StringN(0, 3, 9).Draw(t, "version"),
		Horizon: rapid.IntRange(0, 1<<16).Draw(t, "horizon"), Revision: rapid.IntRange(0, 1<<31).Draw(t, "revision"), Late: rapid.Bool().Draw(t, "late"),
		Target: market.Time(rapid.Int64().Draw(t, "target")), Cutoff: market.Time(rapid.Int64().Draw(t, "cutoff")),
		Last: v("last"), Predicted: v("predicted"), Actual: v("actual"), Lower: v("lower"), Upper: v("upper"), Scale: v("scale"), CRPS: v("crps"), NaiveCRPS: v("naive crps"),
		GainLow: v("gain low"), GainHigh: v("gain high"), PIT: v("pit"), Volatility: v("volatility"), Regime: forecast.Regime(rapid.IntRange(0, 3).Draw(t, "regime")),
	}
}

func same(a, b *score.Score) bool {
	return compareScores(a, b) == 0 && a.Revision == b.Revision && a.Late == b.Late && a.Regime == b.Regime && numbersOf(a) == numbersOf(b)
}

func TestSegmentsAreExact(t *testing.T) {
	var r segmentReader // names are shared
	rapid.Check(t, func(t *rapid.T) {
		want := sortedScores(rapid.SliceOf(rapid.Custom(drawScore)).Draw(t, "scores"))
		got, err := r.all(nil, appendSegment(nil, want))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d scores, %v; want %d", len(got), err, len(want))
		}
		for i := range got {
			if !same(&got[i], want[i]) {
				t.Fatalf("score %d: %+v, want %+v", i, got[i], *want[i])
			}
		}
	})
}

// There is one version of segments.
func TestSegmentOfAnotherVersion(t *testing.T) {
	body := appendSegment(nil, sortedScores(storetest.Scores(7, 1, 3, 5)))
	for _, v := range []byte{0, segmentVersion + 1, 0x7f} {
		body[0] = v
		if list, err := new(segmentReader).all(nil, body); !errors.Is(err, store.ErrCorrupt) || len(list) > 0 {
			t.Errorf("version %d: %d scores, %v", v, len(list), err)
		}
	}
}

func TestPlacesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tl tail
		var want []place
		seq := uint64(0)
		for range rapid.IntRange(0, 100).Draw(t, "places") {
			seq += rapid.Uint64Range(1, 1<<40).Draw(t, "step")
			p := place{seq, uint8(rapid.IntRange(0, 5).Draw(t, "kind")), rapid.Int64().Draw(t, "time")}
			want = append(want, p)
			tl.add(p)
		}
		got, err := readPlaces(nil, tl.body)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v; want %v", got, err, want)
		}
		again, err := readTail(tl.body)
		if err != nil || again.n != tl.n || again.last != tl.last || again.lo != tl.lo || again.hi != tl.hi || again.kinds != tl.kinds || !bytes.Equal(again.body, tl.body) {
			t.Fatalf("%+v, %v; want %+v", again, err, tl)
		}
	})
}

// A segment that can be read can be written, and reads the same again.
func FuzzSegment(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add(appendSegment(nil, sortedScores(storetest.Scores(7, 1, 3, 5))))
	long := appendSegment(nil, sortedScores(append(storetest.Scores(7, 1, 3, 5), storetest.Scores(8, 0, 2, 1)...)))
	f.Add(long)
	f.Add(long[:len(long)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := new(segmentReader).all(nil, b)
		if err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again, err := new(segmentReader).all(nil, appendSegment(nil, pointers(nil, list)))
		if err != nil || !slices.EqualFunc(list, again, func(a, b score.Score) bool { return same(&a, &b) }) {
			t.Fatalf("%v: %+v became %+v", err, list, again)
		}
	})
}

func FuzzRow(f *testing.F) {
	one := appendSegment(nil, sortedScores(storetest.Scores(7, 1, 3, 5)))
	f.Add([]byte{})
	f.Add(appendPart(nil, one))
	f.Add(appendPart(appendPart(nil, one), one)[:len(one)+40])
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := new(segmentReader).allParts(b); err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
	})
}

func FuzzPlaces(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1})
	f.Add([]byte{1, 2, 3, 4, 0, 6})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := readPlaces(nil, b)
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Fatal(err)
		}
		var tl tail
		for _, p := range list {
			tl.add(p)
		}
		if again, err := readPlaces(nil, tl.body); err != nil || !slices.Equal(again, list) {
			t.Fatalf("%v, %v; want %v", again, err, list)
		}
	})
}

package feature_test

import (
	"math"
	"testing"

	"github.com/foretick/foretick/forecast/feature"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/market"
)

// A price that has stood still from the first bar on has no level to compare with: its first
// moves count as they are, and single bad prints are cut down again soon after.
func TestMovesAfterStandingStill(t *testing.T) {
	bars := forecasttest.Walk(5, 400)
	want := 0.0 // without the standing
	whole := feature.NewInput(market.Day, feature.MeanRange)
	for i := range bars {
		if whole.Update(&bars[i]); i >= 250 && i < 350 {
			want += whole.Variance / 100
		}
	}
	for i := range 200 {
		b := &bars[i]
		p := bars[200].Open
		b.Open, b.High, b.Low, b.Close = p, p, p, p
	}
	bars[350].High *= 50
	in := feature.NewInput(market.Day, feature.MeanRange)
	mean := 0.0
	for i := range bars {
		in.Update(&bars[i])
		switch {
		case i < 200 && in.Variance != 0:
			t.Fatalf("bar %d does not move and has variance %v", i, in.Variance)
		case i >= 250 && i < 350:
			mean += in.Variance / 100
		case i == 350 && in.Variance > 64*mean:
			t.Errorf("a high 50 times too high: variance %v after %v", in.Variance, mean)
		}
	}
	if math.Abs(mean/want-1) > 0.05 {
		t.Errorf("after the standing variances are %v in the mean, without it %v", mean, want)
	}
}

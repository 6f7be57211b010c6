package forecast_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/market"
)

func window(closes ...float64) forecast.Window {
	return forecast.NewWindow(market.Day, forecasttest.Bars(closes...))
}

func TestWindow(t *testing.T) {
	w := window(1, 2, 3)
	if w.Len() != 3 || w.Last() != 3 || w.Close(0) != 1 || w.Bar(1).Close != 2 || w.Interval() != market.Day {
		t.Errorf("window reads %d bars, last %v, first %v", w.Len(), w.Last(), w.Close(0))
	}
	if w.Cutoff() != w.Bar(2).End {
		t.Errorf("cutoff is %s", w.Cutoff())
	}
}

func TestReturns(t *testing.T) {
	ln := math.Log
	cases := []struct {
		name           string
		closes         []float64
		h, least, most int
		want           []float64
		err            error
	}{
		{"one step", []float64{1, 2, 4, 2}, 1, 1, 10, []float64{ln(2), ln(2), -ln(2)}, nil},
		{"two steps overlap", []float64{1, 2, 4, 2}, 2, 1, 10, []float64{ln(4), 0}, nil},
		{"only the last", []float64{1, 2, 4, 2}, 1, 1, 2, []float64{ln(2), -ln(2)}, nil},
		{"older closes do not matter", []float64{-1, 2, 4, 2}, 1, 1, 2, []float64{ln(2), -ln(2)}, nil},
		{"too few", []float64{1, 2, 4, 2}, 2, 3, 10, nil, forecast.ErrTooShort},
		{"none", nil, 1, 0, 10, nil, forecast.ErrTooShort},
		{"horizon beyond the window", []float64{1, 2}, 5, 1, 10, nil, forecast.ErrTooShort},
		{"zero", []float64{1, 0, 4, 2}, 1, 1, 10, nil, forecast.ErrDegenerate},
		{"negative between the ends", []float64{1, -37.63, 2}, 2, 1, 10, nil, forecast.ErrDegenerate},
		{"not a number", []float64{1, math.NaN(), 2}, 1, 1, 10, nil, forecast.ErrDegenerate},
		{"infinite", []float64{1, math.Inf(1), 2}, 1, 1, 10, nil, forecast.ErrDegenerate},
		{"ratio overflows", []float64{5e-324, math.MaxFloat64}, 1, 1, 1, []float64{ln(math.MaxFloat64) - ln(5e-324)}, nil},
		{"sum overflows", []float64{1.7e308, 1.71e308}, 1, 1, 1, []float64{ln(1.71 / 1.7)}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := forecast.Returns(nil, window(c.closes...), c.h, c.least, c.most)
			if !errors.Is(err, c.err) || len(got) != len(c.want) {
				t.Fatalf("got %v, %v, want %v, %v", got, err, c.want, c.err)
			}
			for i := range got {
				if math.Abs(got[i]-c.want[i]) > 1e-14*math.Abs(c.want[i]) {
					t.Errorf("return %d is %v, want %v", i, got[i], c.want[i])
				}
			}
		})
	}
}

func TestReturnsReusesRoom(t *testing.T) {
	w := window(1, 2, 4, 2)
	room := make([]float64, 3)
	got, err := forecast.Returns(room, w, 1, 1, 3)
	if err != nil || &got[0] != &room[0] {
		t.Errorf("room for 3 was not used (%v)", err)
	}
}

func TestReturnsPanics(t *testing.T) {
	defer func() {
		if p := recover(); p == nil || !strings.Contains(p.(string), "horizon 0") {
			t.Errorf("recovered %v", p)
		}
	}()
	_, _ = forecast.Returns(nil, window(1, 2), 0, 1, 1)
}

// The series for small returns and the logarithm for large ones agree with
// math.Log1p of the exact change to the last digits (the reference rounds (a-b)/b, too), on
// either side of the seam.
func TestReturnsAccuracy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := math.Pow(10, rapid.Float64Range(-9, 12).Draw(t, "log10 of the price"))
		a := b * (1 + math.Copysign(math.Pow(10, rapid.Float64Range(-15, -1).Draw(t, "log10 of the change")), rapid.Float64Range(-1, 1).Draw(t, "sign")))
		r, err := forecast.Returns(nil, window(b, a), 1, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		// a-b is exact (Sterbenz 1974) while a and b are within a factor of two.
		want := math.Log1p((a - b) / b)
		if math.Abs(r[0]-want) > 1e-15*math.Abs(want)+math.Abs(want)*1e-13*boolTo(math.Abs(want) > 0.03) {
			t.Fatalf("ln(%v/%v) is %v, want %v", a, b, r[0], want)
		}
	})
}

func boolTo(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

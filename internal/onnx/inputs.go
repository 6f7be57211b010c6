package onnx

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// maxBars is the most that a network may read. The engine shows a model 1,024 bars.
const maxBars = 1000

// fill writes the newest bars of w to dst as the package's comment says. The error wraps
// forecast.ErrTooShort when w holds no more bars than the network reads, and
// forecast.ErrDegenerate when a price that is needed is not positive or no close of w differs
// from the last.
func fill(dst []float32, w forecast.Window, s Shape) error {
	n := w.Len()
	if n <= s.Bars {
		return fmt.Errorf("%w: %d, the network needs %d", forecast.ErrTooShort, n, s.Bars+1)
	}
	first := n - s.Bars
	var mean float64
	if s.Inputs == 5 {
		mean = logVolume(w, first)
	}
	for i := first - 1; i < n; i++ {
		b := w.Bar(i)
		if !positive(b.Close) {
			return bad(b.Close, &b)
		}
		if i < first {
			continue
		}
		before := w.Close(i - 1)
		if s.Inputs == 1 {
			dst[i-first] = percent(b.Close, before)
			continue
		}
		row := dst[(i-first)*5:][:5]
		for k, price := range [...]float64{b.Open, b.High, b.Low, b.Close} {
			if !positive(price) {
				return bad(price, &b)
			}
			row[k] = percent(price, before)
		}
		row[4] = 0
		if positive(b.Volume) {
			row[4] = float32(math.Log(b.Volume) - mean)
		}
	}
	for i := range n {
		if w.Close(n-1-i) != w.Last() {
			return nil
		}
	}
	return fmt.Errorf("%w: the price has not moved in %d bars", forecast.ErrDegenerate, n)
}

// logVolume is the mean of ln(volume) over the bars of w from first on that have one.
func logVolume(w forecast.Window, first int) float64 {
	sum, count := 0.0, 0.0
	for i := first; i < w.Len(); i++ {
		if v := w.Bar(i).Volume; positive(v) {
			sum += math.Log(v)
			count++
		}
	}
	return sum / math.Max(1, count)
}

func positive(v float64) bool { return v > 0 && v <= math.MaxFloat64 }

// percent is 100 ln(a/b); the logarithms are taken apart where the ratio would overflow.
func percent(a, b float64) float32 {
	if r := a / b; r > 0x1p-1000 && r < 0x1p1000 {
		return float32(100 * math.Log(r))
	}
	return float32(100 * (math.Log(a) - math.Log(b)))
}

func bad(price float64, b *market.Bar) error {
	return fmt.Errorf("%w: the price %v in the bar at %s is not a positive number", forecast.ErrDegenerate, price, b.Start)
}

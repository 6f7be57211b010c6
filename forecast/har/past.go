package har

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
)

const (
	month = 22 // bars that L is scaled by
	// mostSpans is how many averages there may be.
	mostSpans = 4
	// terms are the columns of the regression: 1, the logs of the averages, L.
	terms = mostSpans + 2
)

// longest is the longest span.
func (m *Model) longest() int {
	long := month
	for _, s := range m.Spans {
		long = max(long, s)
	}
	return long
}

// past is a window made ready for regression; one element a return.
type past struct {
	season   *feature.Season
	variance []float64 // floored, season taken out
	returns  []float64 // log returns, season taken out
	logs     []float64 // cumulated log returns
	factors  []float64 // cumulated factors of the season
}

// readPast reads all of w.
func readPast(w forecast.Window, m *Model) (*past, error) {
	need := m.Least + m.longest() + feature.Anchors[len(feature.Anchors)-1]
	first, err := feature.Usable(w, need+1, w.Len())
	if err != nil {
		return nil, err
	}
	in := feature.NewInput(w.Interval(), m.Range)
	n := w.Len() - first
	room := make([]float64, 4*n)
	p := &past{in.Season(), room[:0:n], room[n : n : 2*n], room[2*n : 2*n : 3*n], room[3*n : 3*n : 4*n]}
	var sum, factor float64
	for i := first; i < w.Len(); i++ {
		b := w.Bar(i)
		if !in.Update(&b) {
			continue
		}
		sum += in.Raw
		factor += in.Factor
		p.variance = append(p.variance, in.Floored)
		p.returns = append(p.returns, in.Return)
		p.logs = append(p.logs, sum)
		p.factors = append(p.factors, factor)
	}
	// A price that stood still at first has no variance to take the log of.
	still := 0
	for still < len(p.variance) && !(p.variance[still] > 0) {
		still++
	}
	if len(p.variance)-still < need {
		return nil, fmt.Errorf("%w: the price has moved in %d of %d bars only", forecast.ErrDegenerate, len(p.variance)-still, n)
	}
	p.variance, p.returns, p.logs, p.factors = p.variance[still:], p.returns[still:], p.logs[still:], p.factors[still:]
	return p, nil
}

// now is the newest row of the regression.
func (f *fitted) now(w forecast.Window) (x [terms]float64, err error) {
	long := f.m.longest()
	first, err := feature.Usable(w, long+1, look)
	if err != nil {
		return x, err
	}
	in := feature.Frozen(f.season, f.m.Range)
	var v [look]float64
	n := 0
	for i := first; i < w.Len(); i++ {
		b := w.Bar(i)
		if in.Update(&b) {
			v[n] = in.Floored
			n++
		}
	}
	if !(v[n-long] > 0) {
		return x, fmt.Errorf("%w: the price has not moved in %d bars", forecast.ErrDegenerate, n)
	}
	return f.m.row(v[n-long:n], in.Return), nil
}

// row makes a row of the regression from variances, at least as many as the longest
// span, and the last return.
func (m *Model) row(v []float64, r float64) (x [terms]float64) {
	x[0] = 1
	var sum float64
	newest := len(v)
	for k, s := range m.Spans {
		for ; len(v)-newest < s; newest-- {
			sum += v[newest-1]
		}
		if s > 0 {
			x[1+k] = math.Log(sum / float64(s))
		}
	}
	if m.Leverage && r < 0 {
		sum = 0
		for _, u := range v[len(v)-month:] {
			sum += u
		}
		x[terms-1] = min(4, -r/math.Sqrt(sum/month))
	}
	return x
}

func dot(a, b *[terms]float64) float64 {
	s := float64(a[0] * b[0])
	for j := 1; j < terms; j++ {
		s += float64(a[j] * b[j])
	}
	return s
}

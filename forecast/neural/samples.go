package neural

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// anchors are the horizons that a Model learns; between them it interpolates.
var anchors = [...]int{1, 2, 5, 10, 20}

// perAnchor is the number of outputs an anchor has: location and log scale.
const perAnchor = 2

const numOutputs = len(anchors) * perAnchor

// Samples are what a network learns from: the bars of one series or of many, of one
// interval, as rows of inputs and the returns that followed them. Everything is relative to
// the volatility of its own time, so that one network can learn from all instruments. With
// A the returns of bars (season taken out) and V the variance of a bar at the cutoff, the
// target of horizon h is
//
//	y = (A(t+1) + ... + A(t+h)) / sqrt(h V)
//
// It is not safe for concurrent use. The zero value is not valid: start from NewSamples.
type Samples struct {
	interval market.Interval
	runs     []run
	series   []string
	last     market.Time // end of the newest bar
}

// run is an unbroken stretch of one series.
type run struct {
	rows    [][numInputs]float32 // as they are, not scaled yet
	targets [][len(anchors)]float32
	ends    []market.Time // of the bars; a row may be used from then on
}

// ErrSamples says that there is nothing to learn from; it is wrapped with the reason.
var ErrSamples = errors.New("neural: nothing to learn from")

// NewSamples returns an empty collection of bars of interval i.
func NewSamples(i market.Interval) *Samples { return &Samples{interval: i} }

// Interval is that of the bars.
func (s *Samples) Interval() market.Interval { return s.interval }

// Series are the names that were given to Add.
func (s *Samples) Series() []string { return s.series }

// Until is the end of the newest bar that was added.
func (s *Samples) Until() market.Time { return s.last }

// Len is the number of rows.
func (s *Samples) Len() (n int) {
	for i := range s.runs {
		n += len(s.runs[i].rows)
	}
	return n
}

// digest is the SHA-256 of all rows, targets and times.
func (s *Samples) digest() (sum [sha256.Size]byte) {
	h := sha256.New()
	var b []byte
	for i := range s.runs {
		r := &s.runs[i]
		b = binary.LittleEndian.AppendUint64(b[:0], uint64(len(r.rows)))
		for k := range r.rows {
			for _, v := range r.rows[k] {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
			for _, v := range r.targets[k] {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
			b = binary.LittleEndian.AppendUint64(b, uint64(r.ends[k]))
		}
		_, _ = h.Write(b) // a hash takes everything
	}
	h.Sum(sum[:0])
	return sum
}

// Add takes the bars of one series, oldest first, and the calendar that names the bar
// after each (nil: around the clock). Bars without a usable close break the series in two.
// It keeps no reference to bars. The error is that of ctx.
func (s *Samples) Add(ctx context.Context, series string, bars []market.Bar, c market.Calendar) error {
	if c == nil {
		c = market.Always
	}
	in := newInputs(s.interval)
	var r run
	var sums, bases []float64 // cumulated returns and variances, one a row
	sum, seen := 0.0, 0
	finish := func() {
		r.targets = make([][len(anchors)]float32, len(r.rows))
		for t := range r.rows {
			for k, h := range anchors {
				y := math.NaN()
				if t+h < len(r.rows) {
					y = (sums[t+h] - sums[t]) / math.Sqrt(float64(h)*bases[t])
				}
				r.targets[t][k] = float32(clip(y, 1e4))
			}
		}
		if len(r.rows) > 0 {
			s.runs = append(s.runs, r)
		}
		r, sums, bases = run{}, nil, nil
	}
	ahead := make([]market.Span, 1)
	for i := range bars {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		start := s.interval.Next(bars[i].Start, c)
		ahead[0] = market.Span{Start: start, End: s.interval.End(start)}
		if !in.update(forecast.NewWindow(s.interval, bars[max(0, i-1):i+1]).WithAhead(ahead)) {
			finish()
			seen = 0
			continue
		}
		sum += in.in.Adjusted
		if seen++; seen < settled {
			continue
		}
		var row [numInputs]float32
		for k, v := range in.row {
			row[k] = float32(v)
		}
		r.rows, r.ends = append(r.rows, row), append(r.ends, bars[i].End)
		sums, bases = append(sums, sum), append(bases, in.base)
	}
	finish()
	s.series = append(s.series, series)
	if len(bars) > 0 {
		s.last = max(s.last, bars[len(bars)-1].End)
	}
	return nil
}

// split returns the time at which the newest share of all rows begins.
func (s *Samples) split(share float64) market.Time {
	var ends []market.Time
	for i := range s.runs {
		ends = append(ends, s.runs[i].ends...)
	}
	slices.Sort(ends)
	return ends[min(len(ends)-1, int(float64(len(ends))*(1-share)))]
}

// standard is the mean and standard deviation of each input over the rows before until.
func (s *Samples) standard(until market.Time) (z Standard, err error) {
	var sum, square [numInputs]float64
	n := 0.0
	for i := range s.runs {
		for t, row := range s.runs[i].rows {
			if s.runs[i].ends[t] >= until {
				break
			}
			n++
			for k, v := range row {
				sum[k] += float64(v)
				square[k] += float64(v) * float64(v)
			}
		}
	}
	if n == 0 {
		return z, fmt.Errorf("%w: no row lies before %v", ErrSamples, until)
	}
	for k := range sum {
		m := sum[k] / n
		sd := math.Sqrt(max(0, square[k]/n-m*m))
		if !(sd > 1e-6) {
			sd = 1 // an input that does not vary, as the volume of a currency
		}
		z.Mean, z.Scale = append(z.Mean, m), append(z.Scale, sd)
	}
	return z, nil
}

// chunk is a stretch of a run that a network reads in one go.
type chunk struct{ run, at int }

// chunks cuts the rows whose losses count, those from..until by the end of their bar, into
// stretches of steps rows, of which the first warm only warm up. offset shifts the cuts.
func (s *Samples) chunks(from, until market.Time, steps, warm, offset int) (list []chunk) {
	for i := range s.runs {
		ends := s.runs[i].ends
		lo, _ := slices.BinarySearchFunc(ends, from, cmp.Compare[market.Time])
		hi, _ := slices.BinarySearchFunc(ends, until, cmp.Compare[market.Time])
		for at := max(0, lo-warm) + offset; at+steps <= hi; at += steps - warm {
			list = append(list, chunk{i, at})
		}
	}
	return list
}

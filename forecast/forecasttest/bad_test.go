package forecasttest

import (
	"errors"
	"math"
	"sync/atomic"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// broken are models that break one rule each, most of them only now and then. Each is tried
// as a function of the window and as a state.
var broken = map[string]struct {
	spoil spoil
	says  string // what the suite must complain of, one way or another
}{
	"lets quantiles cross": {cross, "quantiles cross"},
	"counts its calls": {func(p *forecast.Prediction, _ forecast.Window, err error) error {
		p.Point = float64(calls.Add(1))
		return err
	}, "the same window gave|written at bar"},
	"works in price units": {func(p *forecast.Prediction, w forecast.Window, err error) error {
		p.Point = w.Last() * 1e-6
		return err
	}, "prices times 1,000 move the point|breaks move the point"},
	"answers whatever the price": {func(p *forecast.Prediction, _ forecast.Window, err error) error {
		if errors.Is(err, forecast.ErrDegenerate) {
			*p, err = forecast.Prediction{Quantiles: forecast.Normal(0, 0.01)}, nil
		}
		return err
	}, "got an answer, want an error|want a data error"},
	"panics when half is lost": {when(func(w forecast.Window) bool { return ret(w, 0) < -0.5 }, func(_ *forecast.Prediction, w forecast.Window, _ error) error {
		_ = w.Bar(w.Len())
		return nil
	}), "index out of range"},

	"crosses when volatility has tripled":             {when(func(w forecast.Window) bool { return vol(w, 0, 20) > 3*vol(w, 20, 100) }, cross), "quantiles cross"},
	"crosses when volatility has tripled for a while": {when(func(w forecast.Window) bool { return vol(w, 0, 50) > 3*vol(w, 60, 500) }, cross), "quantiles cross"},
	"fails when volatility grows sixfold":             {when(func(w forecast.Window) bool { return vol(w, 0, 10) > 6*vol(w, 10, 50) }, fail), "no logarithm"},
	"is infinite after a calm":                        {when(func(w forecast.Window) bool { return vol(w, 0, 40) < vol(w, 40, 200)/3 }, infinite), "is +Inf"},
	"is no number after 5 flat bars":                  {when(func(w forecast.Window) bool { return vol(w, 0, 5) == 0 }, nan), "is NaN"},
	"is no number after 20 flat bars":                 {when(func(w forecast.Window) bool { return vol(w, 0, 20) == 0 }, nan), "is NaN"},
	"is no number after 50 flat bars":                 {when(func(w forecast.Window) bool { return vol(w, 0, 50) == 0 }, nan), "is NaN"},
	"is infinite when it moves again":                 {when(func(w forecast.Window) bool { return vol(w, 1, 20) == 0 && vol(w, 0, 1) > 0 }, infinite), "is +Inf"},
	"divides by the median move":                      {when(func(w forecast.Window) bool { return count(w, 30, func(r float64) bool { return r == 0 }) > 15 }, infinite), "is +Inf"},

	"cannot rise":                         {when(func(w forecast.Window) bool { return ret(w, 0) > 15*vol(w, 1, 100) }, infinite), "is +Inf"},
	"cannot fall":                         {when(func(w forecast.Window) bool { return ret(w, 0) < -15*vol(w, 1, 100) }, nan), "is NaN"},
	"refuses gaps":                        {when(func(w forecast.Window) bool { return math.Abs(newest(w).Open/w.Close(w.Len()-2)-1) > 0.1 }, fail), "no logarithm"},
	"believes in splits":                  {when(func(w forecast.Window) bool { return math.Abs(ret(w, 0)) > 1 }, cross), "quantiles cross"},
	"fears a crash":                       {when(func(w forecast.Window) bool { return w.Last() < 0.15*w.Close(max(0, w.Len()-30)) }, abstain), "degenerate"},
	"fears a mania":                       {when(func(w forecast.Window) bool { return w.Last() > 2*w.Close(max(0, w.Len()-30)) }, abstain), "degenerate"},
	"wants a fall":                        {when(func(w forecast.Window) bool { return count(w, 30, func(r float64) bool { return r > 0 }) == 30 }, nan), "is NaN"},
	"wants a rise":                        {when(func(w forecast.Window) bool { return count(w, 30, func(r float64) bool { return r < 0 }) == 30 }, nan), "is NaN"},
	"takes the root of an autocovariance": {when(func(w forecast.Window) bool { return turns(w, 30) == 30 }, nan), "is NaN"},
	"takes the log of a range":            {when(func(w forecast.Window) bool { return newest(w).High == newest(w).Low && ret(w, 0) != 0 }, infinite), "is +Inf"},
	"believes every high":                 {when(func(w forecast.Window) bool { return newest(w).High > 10*w.Last() }, infinite), "is +Inf"},
	"believes every low":                  {when(func(w forecast.Window) bool { return newest(w).Low < 1e-3*w.Last() }, nan), "is NaN"},
	"takes the log of a volume":           {when(func(w forecast.Window) bool { return newest(w).Volume == 0 }, fail), "no logarithm"},
	"cannot wait for a month": {when(func(w forecast.Window) bool {
		return newest(w).Start > w.Bar(w.Len()-2).End+market.Time(14*market.Day.Duration().Microseconds())
	}, fail), "no logarithm"},
	"knows no prices below a millionth": {when(func(w forecast.Window) bool { return w.Last() < 1e-6 }, abstain), "degenerate"},
	"knows no prices above a billion":   {when(func(w forecast.Window) bool { return w.Last() > 1e9 }, abstain), "degenerate"},
}

var calls atomic.Int64

// A spoil makes a sound answer, or the reason for none, a bad one.
type spoil func(p *forecast.Prediction, w forecast.Window, err error) error

// when spoils where a condition holds.
func when(is func(forecast.Window) bool, s spoil) spoil {
	return func(p *forecast.Prediction, w forecast.Window, err error) error {
		if err == nil && is(w) {
			return s(p, w, nil)
		}
		return err
	}
}

func cross(p *forecast.Prediction, _ forecast.Window, err error) error {
	p.Quantiles[3], p.Quantiles[4] = p.Quantiles[4], p.Quantiles[3]
	return err
}

func nan(p *forecast.Prediction, _ forecast.Window, err error) error {
	p.Quantiles[7] = math.NaN()
	return err
}

func infinite(p *forecast.Prediction, _ forecast.Window, err error) error {
	p.Quantiles[22] = math.Inf(1)
	return err
}

func fail(*forecast.Prediction, forecast.Window, error) error { return errors.New("no logarithm") }

func abstain(*forecast.Prediction, forecast.Window, error) error { return forecast.ErrDegenerate }

func newest(w forecast.Window) market.Bar { return w.Bar(w.Len() - 1) }

// ret is the return that came i before the newest, NaN where there is none.
func ret(w forecast.Window, i int) float64 {
	k := w.Len() - 1 - i
	if k < 1 {
		return math.NaN()
	}
	return w.Close(k)/w.Close(k-1) - 1
}

// vol is the root mean square of n returns that end some bars ago.
func vol(w forecast.Window, ago, n int) float64 {
	sum := 0.0
	for i := range n {
		r := ret(w, ago+i)
		sum += r * r
	}
	return math.Sqrt(sum / float64(n))
}

// count is how many of the newest n returns are so.
func count(w forecast.Window, n int, so func(float64) bool) (k int) {
	for i := range n {
		if so(ret(w, i)) {
			k++
		}
	}
	return k
}

// turns is how many of the newest n returns have the other sign than the one before.
func turns(w forecast.Window, n int) (k int) {
	for i := range n {
		if ret(w, i)*ret(w, i+1) < 0 {
			k++
		}
	}
	return k
}

package ets

import "math"

// params are the smoothing parameters; beta is 0 for Simple, phi is 1 but for Damped.
type params struct{ alpha, beta, phi float64 }

// state is level and trend after a bar.
type state struct{ l, b float64 }

// filtered is what a run over a series gives.
type filtered struct {
	start state   // before the first value: the one that makes the sum of squares least
	end   state   // after the last value
	sum   float64 // of squared innovations
}

// gone is when the share of an initial state in an innovation is neglected.
const gone = 1e-60

// filter runs over y with the initial state that fits y best. Innovations are linear
// in that state, e = e0 + l p + b q, with e0 those from state (0, 0) and p, q the
// response to (1, 0) and (0, 1) of a series of zeros; so one run and two normal
// equations find it.
func (p params) filter(k Kind, y []float64) (f filtered) {
	keep, phi := 1-p.alpha, p.phi
	var s state                  // from (0, 0)
	u, v := state{l: 1}, state{} // the responses
	if k != Simple {
		v.b = 1
	}
	var ee, eu, ev, uu, uv, vv float64
	i := 0
	for ; i < len(y); i++ {
		if math.Abs(u.l)+math.Abs(u.b)+math.Abs(v.l)+math.Abs(v.b) < gone {
			u, v = state{}, state{}
			break
		}
		t := s.l + float64(phi*s.b)
		e := y[i] - t
		s.l, s.b = t+float64(p.alpha*e), float64(phi*s.b)+float64(p.beta*e)
		tu := u.l + float64(phi*u.b) // the innovation is -tu
		u.l, u.b = float64(keep*tu), float64(phi*u.b)-float64(p.beta*tu)
		tv := v.l + float64(phi*v.b)
		v.l, v.b = float64(keep*tv), float64(phi*v.b)-float64(p.beta*tv)
		ee += float64(e * e)
		eu += float64(e * tu)
		ev += float64(e * tv)
		uu += float64(tu * tu)
		uv += float64(tu * tv)
		vv += float64(tv * tv)
	}
	for ; i < len(y); i++ {
		t := s.l + float64(phi*s.b)
		e := y[i] - t
		s.l, s.b = t+float64(p.alpha*e), float64(phi*s.b)+float64(p.beta*e)
		ee += float64(e * e)
	}
	// uu is at least 1. Where v adds nothing to u the trend starts at 0.
	if d := vv - float64(uv/uu*uv); d > 1e-12*vv {
		f.start.b = (ev - float64(uv/uu*eu)) / d
	}
	f.start.l = (eu - float64(uv*f.start.b)) / uu
	f.end.l = s.l + float64(f.start.l*u.l) + float64(f.start.b*v.l)
	f.end.b = s.b + float64(f.start.l*u.b) + float64(f.start.b*v.b)
	f.sum = max(0, ee-float64(f.start.l*eu)-float64(f.start.b*ev))
	return f
}

// ahead is the mean h bars after state s, and the root of its variance over that of an
// innovation.
func (p params) ahead(s state, h int) (mean, scale float64) {
	sum, power, variance := 0.0, 1.0, 1.0
	for j := 1; ; j++ {
		power *= p.phi
		sum += power // φ + ... + φ^j
		if j == h {
			return s.l + float64(sum*s.b), math.Sqrt(variance)
		}
		c := p.alpha + float64(p.beta*sum)
		variance += float64(c * c)
	}
}

// run filters y from state s and returns the innovations.
func (p params) run(s state, y []float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		t := s.l + float64(p.phi*s.b)
		e := v - t
		s.l, s.b = t+float64(p.alpha*e), float64(p.phi*s.b)+float64(p.beta*e)
		out[i] = e
	}
	return out
}

package neural

import (
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// checkpointFormat is the first number of a checkpoint.
const checkpointFormat = 1

// Checkpoint writes down where the trainer stands, for Resume.
func (t *Trainer) Checkpoint() []byte {
	a := forecast.NewArchive()
	t.persist(a)
	return a.Bytes()
}

// Resume takes t, which must be new, to where the trainer stood that wrote b. It goes on
// as that one would have, to the last bit. The error wraps forecast.ErrArchive when b was
// written with other options or samples, and t is then as new.
func (t *Trainer) Resume(b []byte) error {
	fresh := *t
	a := forecast.ReadArchive(b)
	t.persist(a)
	if err := a.Close(); err != nil {
		*t = fresh
		t.begin()
		return fmt.Errorf("neural: checkpoint: %w", err)
	}
	return nil
}

func (t *Trainer) persist(a *forecast.Archive) {
	format := checkpointFormat
	a.Int(&format)
	o := t.opt
	o.Workers = 0
	of := fmt.Appendf(nil, "%+v, %d rows of %s, split at %s, digest %x", o, t.samples.Len(), t.samples.interval, t.split, t.digest)
	was := slices.Clone(of)
	a.Blob(&was)
	if format != checkpointFormat || string(was) != string(of) {
		a.Fail("it is of another training: %.400s; this one is %s", was, of)
		return
	}
	restart := t.restart
	a.Int(&t.restart)
	if t.restart < 0 || t.restart > t.opt.Restarts {
		a.Fail("restart %d of %d", t.restart, t.opt.Restarts)
		t.restart = restart
		return
	}
	a.Int(&t.epoch)
	a.Int(&t.since)
	a.Float(&t.loss, &t.rate)
	shape := t.opt.Shape()
	if !t.Done() {
		t.learner.persist(a, shape)
		has := t.best.net != nil
		a.Bool(&has)
		if has {
			t.best.persist(a, shape)
		}
	}
	n := len(t.members)
	a.Int(&n)
	if n < 0 || n > t.opt.Restarts {
		a.Fail("%d networks", n)
		return
	}
	if a.Reading() {
		t.members = make([]member, n)
	}
	for i := range t.members {
		m := &t.members[i]
		m.net = persistNet(a, m.net, shape)
		a.Array(m.theta[:])
		a.Float(&m.loss)
	}
	n = len(t.curve)
	a.Int(&n)
	if n < 0 || n > t.opt.Restarts*t.opt.Epochs {
		a.Fail("a curve of %d points", n)
		return
	}
	if a.Reading() {
		t.curve = make([]Point, n)
	}
	for i := range t.curve {
		p := &t.curve[i]
		a.Int(&p.Restart)
		a.Int(&p.Epoch)
		a.Float(&p.Train, &p.Valid, &p.Rate)
		a.Bool(&p.Best)
	}
}

func (l *learner) persist(a *forecast.Archive, s Shape) {
	l.net = persistNet(a, l.net, s)
	persistFloats(a, &l.m, len(l.net.params))
	persistFloats(a, &l.v, len(l.net.params))
	a.Array(l.theta[:])
	a.Array(l.tm[:])
	a.Array(l.tv[:])
	a.Int(&l.step)
}

// persistNet carries a network; one that is read is new.
func persistNet(a *forecast.Archive, n *Network, s Shape) *Network {
	if a.Reading() {
		n = newNetwork(s)
	}
	persistFloats(a, &n.params, n.at.size)
	return n
}

// persistFloats carries n numbers.
func persistFloats(a *forecast.Archive, v *[]float32, n int) {
	if a.Reading() {
		*v = make([]float32, n)
	}
	wide := make([]float64, n)
	for i, x := range *v {
		wide[i] = float64(x)
	}
	a.Array(wide)
	for i, x := range wide {
		if x-x != 0 {
			a.Fail("a weight is %v", x)
			return
		}
		(*v)[i] = float32(math.Max(-math.MaxFloat32, math.Min(math.MaxFloat32, x)))
	}
}

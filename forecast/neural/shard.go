package neural

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/foretick/foretick/forecast/neural/kernel"
	"github.com/foretick/foretick/market"
)

// shardRows is the number of stretches that are worked on as one. A batch is cut into
// shards in the same way whatever the number of goroutines, and their derivatives are added
// in their order, so that sums are the same to the last bit.
const shardRows = 16

// shard is the room for one.
type shard struct {
	pass  *Pass
	grad  []float32
	theta [len(anchors)]float64 // derivatives by the tails
	loss  float64
	count int
}

func newShard(o Options, rows int) *shard {
	s := o.Shape()
	return &shard{pass: NewPass(s, o.Steps, rows), grad: make([]float32, s.layout().size)}
}

// run computes the losses of the outputs that count, and their derivatives when turned is
// given. Targets that are known from until on only do not count.
func (s *shard) run(t *Trainer, net *Network, tails *[len(anchors)]tail, list []chunk, until market.Time, turned *transposed) {
	warm, steps := t.opt.Warm, t.opt.Steps
	for b, c := range list {
		rows := t.samples.runs[c.run].rows
		for k := range steps {
			in := s.pass.Input(k, b)
			for j := range in {
				in[j] = scaled(&t.standard, j, rows[c.at+k][j])
			}
		}
	}
	net.Forward(s.pass, warm)
	s.loss, s.count, s.theta = 0, 0, [len(anchors)]float64{}
	for k := warm; k < steps; k++ {
		for b := range s.pass.batch {
			d := s.pass.dOutput(k, b)
			clear(d)
			if b >= len(list) {
				continue
			}
			c, out := list[b], s.pass.Output(k, b)
			r := &t.samples.runs[c.run]
			for a, h := range anchors {
				y := float64(r.targets[c.at+k][a])
				if y != y || r.ends[c.at+k+h] >= until {
					continue
				}
				l, inside := bounded(out[2*a+1])
				loss, dm, dl, dnu := tails[a].loss(y, float64(out[2*a]), l)
				s.loss += loss
				s.count++
				s.theta[a] += dnu * tails[a].dTheta
				d[2*a] = float32(dm)
				if inside {
					d[2*a+1] = float32(dl)
				}
			}
		}
	}
	if turned != nil {
		clear(s.grad)
		net.backward(s.pass, warm, turned, s.grad)
	}
}

// scaled is input j of a row as the network reads it.
func scaled(z *Standard, j int, x float32) float32 {
	return float32((float64(x) - z.Mean[j]) / z.Scale[j])
}

func (l *learner) tails() (t [len(anchors)]tail) {
	for k, theta := range l.theta {
		t[k] = newTail(theta)
	}
	return t
}

// each runs f for the shards that list fills, on several goroutines.
func (t *Trainer) each(list []chunk, f func(s *shard, part []chunk)) []*shard {
	n := (len(list) + shardRows - 1) / shardRows
	var next atomic.Int64
	var g sync.WaitGroup
	for range min(t.opt.workers(), n) {
		g.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				f(t.shards[i], list[i*shardRows:min(len(list), (i+1)*shardRows)])
			}
		})
	}
	g.Wait()
	return t.shards[:n]
}

// The constants of Kingma & Ba.
const (
	beta1, beta2, epsilon = 0.9, 0.999, 1e-8
)

// learn takes one step of the optimiser, and returns the sum of the losses and their
// number.
func (t *Trainer) learn(l *learner, batch []chunk) (loss float64, count int) {
	tails := l.tails()
	l.net.transpose(&t.turned)
	done := t.each(batch, func(s *shard, part []chunk) { s.run(t, l.net, &tails, part, t.split, &t.turned) })
	sum := done[0]
	for _, s := range done[1:] {
		addTo(sum.grad, s.grad)
		sum.loss, sum.count = sum.loss+s.loss, sum.count+s.count
		for k := range s.theta {
			sum.theta[k] += s.theta[k]
		}
	}
	if sum.count == 0 {
		return 0, 0
	}
	l.update(sum.grad, sum.theta, 1/float64(sum.count), t.rate, &t.opt)
	return sum.loss, sum.count
}

// update moves the parameters against the gradient times by, clipped to its greatest length.
func (l *learner) update(grad []float32, theta [len(anchors)]float64, by, rate float64, o *Options) {
	norm := 0.0
	for _, g := range grad {
		norm += float64(g) * float64(g)
	}
	for _, g := range theta {
		norm += g * g
	}
	if norm = math.Sqrt(norm) * by; norm > o.Clip {
		by *= o.Clip / norm
	}
	for i := range grad {
		grad[i] *= float32(by)
	}
	l.step++
	one, two := 1-math.Pow(beta1, float64(l.step)), 1-math.Pow(beta2, float64(l.step))
	l.net.loops.Adam(kernel.Adam{Beta1: beta1, Beta2: beta2, Keep: float32(1 - rate*o.Decay), Rate: float32(rate / one),
		Root: float32(1 / math.Sqrt(two)), Epsilon: epsilon}, l.net.params, grad, l.m, l.v)
	for k, g := range theta {
		g *= by
		l.tm[k] = beta1*l.tm[k] + (1-beta1)*g
		l.tv[k] = beta2*l.tv[k] + (1-beta2)*g*g
		l.theta[k] -= rate * l.tm[k] / one / (math.Sqrt(l.tv[k]/two) + epsilon)
	}
}

// validate is the mean loss on the validation slice.
func (t *Trainer) validate(ctx context.Context, l *learner) (float64, error) {
	tails := l.tails()
	sum, n := 0.0, 0
	for list := t.valid; len(list) > 0; {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		part := list[:min(len(list), t.opt.Batch)]
		list = list[len(part):]
		for _, s := range t.each(part, func(s *shard, part []chunk) { s.run(t, l.net, &tails, part, market.MaxTime, nil) }) {
			sum, n = sum+s.loss, n+s.count
		}
	}
	return sum / float64(max(1, n)), nil
}

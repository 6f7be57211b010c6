package neural

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"

	"github.com/foretick/foretick/market"
)

// Point is one epoch on the learning curve. Losses are mean negative log likelihoods, in
// units of the volatility of their time: lower is better.
type Point struct {
	Restart int     `json:"restart"` // from 1
	Epoch   int     `json:"epoch"`   // from 1
	Train   float64 `json:"train"`   // while learning
	Valid   float64 `json:"valid"`   // on the later slice, afterwards
	Rate    float64 `json:"rate"`
	Best    bool    `json:"best"` // the weights of this epoch are the best of its restart so far
}

// Trainer learns networks from samples, an epoch a call. It is not safe for concurrent
// use. Between epochs it can be written down with Checkpoint and taken up again; what
// comes out is the same to the last bit, with any number of goroutines.
type Trainer struct {
	opt      Options
	samples  *Samples
	digest   [32]byte // of samples
	standard Standard
	split    market.Time // training before, validation from here
	valid    []chunk

	shards []*shard // room
	turned transposed

	// What a checkpoint holds.
	restart int // 0-based; opt.Restarts when all are done
	epoch   int // epochs done in this restart
	learner learner
	best    learner // at its best epoch
	loss    float64 // validation loss of best
	since   int     // epochs since then
	rate    float64
	members []member // that ended
	curve   []Point
}

// learner is a network with what the optimiser knows.
type learner struct {
	net    *Network
	m, v   []float32
	theta  [len(anchors)]float64 // of the tails
	tm, tv [len(anchors)]float64
	step   int
}

// member is a network that has been trained.
type member struct {
	net   *Network
	theta [len(anchors)]float64
	loss  float64
}

// leastChunks is the number of stretches below which there is nothing to learn from.
const leastChunks = 4

// NewTrainer prepares to learn from s, which must not change afterwards. The error wraps
// ErrShape when an option is out of range, and ErrSamples when there are too few rows.
func NewTrainer(s *Samples, o Options) (*Trainer, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if s.Len() == 0 {
		return nil, fmt.Errorf("%w: no series has more than %d usable bars", ErrSamples, settled)
	}
	t := &Trainer{opt: o, samples: s, digest: s.digest(), split: s.split(o.Validation)}
	var err error
	if t.standard, err = s.standard(t.split); err != nil {
		return nil, err
	}
	t.valid = s.chunks(t.split, market.MaxTime, o.Steps, o.Warm, 0)
	train := s.chunks(0, t.split, o.Steps, o.Warm, 0)
	if len(train) < leastChunks || len(t.valid) < 1 {
		return nil, fmt.Errorf("%w: %d rows make %d stretches of %d bars to learn from and %d to validate on; at least %d and 1 are needed: give more or longer series",
			ErrSamples, s.Len(), len(train), o.Steps, len(t.valid), leastChunks)
	}
	for i := range (o.Batch + shardRows - 1) / shardRows {
		t.shards = append(t.shards, newShard(o, min(shardRows, o.Batch-i*shardRows)))
	}
	t.begin()
	return t, nil
}

// begin starts the next restart.
func (t *Trainer) begin() {
	t.epoch, t.since, t.rate, t.loss, t.best = 0, 0, t.opt.Rate, math.Inf(1), learner{}
	if t.Done() {
		return
	}
	net, err := NewNetwork(t.opt.Shape(), t.opt.Seed+uint64(t.restart)*0x9e3779b97f4a7c15)
	if err != nil {
		panic(err) // the options were validated
	}
	t.learner = learner{net: net, m: make([]float32, len(net.params)), v: make([]float32, len(net.params))}
	for k := range t.learner.theta {
		t.learner.theta[k] = 2 // nu of 4.2
	}
}

// Done reports whether every restart has ended.
func (t *Trainer) Done() bool { return t.restart >= t.opt.Restarts }

// Curve is the learning curve so far.
func (t *Trainer) Curve() []Point { return slices.Clone(t.curve) }

// Progress is how much has been done at most, 0 to 1: restarts often end early.
func (t *Trainer) Progress() float64 {
	return (float64(t.restart) + float64(t.epoch)/float64(t.opt.Epochs)) / float64(t.opt.Restarts)
}

// Epoch learns once from every stretch of the training slice, in an order drawn by the
// seed, and measures the loss on the validation slice. When ctx ends it returns ctx's error,
// and the trainer stands where it stood before. It panics when Done.
func (t *Trainer) Epoch(ctx context.Context) (Point, error) {
	if t.Done() {
		panic("neural: Epoch of a trainer that is done")
	}
	r := rand.New(rand.NewPCG(t.opt.Seed, uint64(t.restart)<<32|uint64(t.epoch)))
	list := t.samples.chunks(0, t.split, t.opt.Steps, t.opt.Warm, r.IntN(t.opt.Steps-t.opt.Warm))
	r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	l := t.learner.clone()
	p := Point{Restart: t.restart + 1, Epoch: t.epoch + 1, Rate: t.rate}
	sum, n := 0.0, 0
	for batch := range slices.Chunk(list, t.opt.Batch) {
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		s, k := t.learn(&l, batch)
		sum, n = sum+s, n+k
		runtime.Gosched() // whoever has something urgent need not wait for the end of a time slice
	}
	p.Train = sum / float64(max(1, n))
	var err error
	if p.Valid, err = t.validate(ctx, &l); err != nil {
		return p, err
	}
	t.learner = l
	t.epoch++
	failed := !(p.Valid < math.MaxFloat64) || !(math.Abs(p.Train) < math.MaxFloat64)
	if !failed && p.Valid < t.loss {
		t.loss, t.best, t.since, p.Best = p.Valid, l.clone(), 0, true
	} else {
		if t.since++; t.since%max(1, t.opt.Patience/2) == 0 {
			t.rate /= 2
		}
	}
	if failed { // JSON knows no infinity
		p.Train, p.Valid = clip(p.Train, 1e9), clip(p.Valid, 1e9)
		if p.Train != p.Train {
			p.Train = 1e9
		}
		if p.Valid != p.Valid {
			p.Valid = 1e9
		}
	}
	t.curve = append(t.curve, p)
	if failed || t.epoch >= t.opt.Epochs || t.since >= t.opt.Patience {
		if t.best.net != nil {
			t.members = append(t.members, member{t.best.net, t.best.theta, t.loss})
		}
		t.restart++
		t.begin()
	}
	return p, nil
}

func (l *learner) clone() learner {
	c := *l
	c.net = &Network{shape: l.net.shape, at: l.net.at, params: slices.Clone(l.net.params), loops: l.net.loops}
	c.m, c.v = slices.Clone(l.m), slices.Clone(l.v)
	return c
}

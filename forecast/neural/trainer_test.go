package neural

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func daily(t testing.TB, name string) []market.Bar {
	t.Helper()
	return forecasttest.ReadBars(t, testdata.Market(t, "daily/"+name+".csv"))
}

// small are options that learn in a moment.
func small() Options {
	o := Defaults()
	o.Units, o.Steps, o.Warm, o.Epochs, o.Patience, o.Restarts, o.Ensemble = 6, 24, 8, 4, 3, 2, 2
	return o
}

// samplesOf are bars of a few series.
func samplesOf(t testing.TB, names ...string) *Samples {
	t.Helper()
	s := NewSamples(market.Day)
	for _, n := range names {
		bars := daily(t, n)
		if err := s.Add(t.Context(), n, bars[:min(len(bars), 1800)], nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func trainer(t testing.TB, s *Samples, o Options) *Trainer {
	t.Helper()
	tr, err := NewTrainer(s, o)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// train runs a trainer to its end.
func train(t testing.TB, tr *Trainer) *Trained {
	t.Helper()
	for !tr.Done() {
		if _, err := tr.Epoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	v, err := tr.Trained(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The derivatives of the loss are those of central differences.
func TestStudentLoss(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		theta := rapid.Float64Range(-3, 30).Draw(t, "theta")
		y, m, l := rapid.Float64Range(-30, 30).Draw(t, "y"), rapid.Float64Range(-3, 3).Draw(t, "m"), rapid.Float64Range(-3, 3).Draw(t, "l")
		tail := newTail(theta)
		_, dm, dl, dnu := tail.loss(y, m, l)
		const h = 1e-5
		value := func(theta, m, l float64) float64 {
			tail := newTail(theta)
			v, _, _, _ := tail.loss(y, m, l)
			return v
		}
		for _, c := range []struct {
			what          string
			got, up, down float64
		}{
			{"location", dm, value(theta, m+h, l), value(theta, m-h, l)},
			{"log scale", dl, value(theta, m, l+h), value(theta, m, l-h)},
			{"theta", dnu * tail.dTheta, value(theta+h, m, l), value(theta-h, m, l)},
		} {
			if want := (c.up - c.down) / (2 * h); math.Abs(c.got-want) > 1e-4*(1+math.Abs(want)) {
				t.Fatalf("by %s: %v, want %v", c.what, c.got, want)
			}
		}
	})
}

// The loss is the density of the distribution: it integrates to 1.
func TestStudentLossIsADensity(t *testing.T) {
	t.Parallel()
	for _, theta := range []float64{0, 2, 20} {
		tail := newTail(theta)
		sum := 0.0
		const step = 0.01
		for u := -2000.0; u < 2000; u += step {
			loss, _, _, _ := tail.loss(u, 0.3, 0.5)
			sum += math.Exp(-loss) * step
		}
		if math.Abs(sum-1) > 1e-3 {
			t.Errorf("nu %v: the density integrates to %v", tail.nu, sum)
		}
	}
}

// The result does not depend on the number of goroutines, nor on being stopped and taken
// up again after any epoch.
func TestTrainingIsDeterministic(t *testing.T) {
	t.Parallel()
	s, o := samplesOf(t, "INDEX", "FX"), small()
	o.Workers = 1
	one := trainer(t, s, o)
	whole := train(t, one)
	o.Workers = 7
	other := trainer(t, s, o)
	for !other.Done() {
		kept := other.Checkpoint()
		other = trainer(t, samplesOf(t, "INDEX", "FX"), o)
		if err := other.Resume(kept); err != nil {
			t.Fatal(err)
		}
		if again := other.Checkpoint(); !bytes.Equal(again, kept) {
			t.Fatal("a checkpoint is not what it was after it is read")
		}
		// An epoch that is interrupted leaves no trace.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := other.Epoch(ctx); !errors.Is(err, context.Canceled) || !bytes.Equal(other.Checkpoint(), kept) {
			t.Fatalf("after a cancelled epoch (%v) the trainer stands elsewhere", err)
		}
		if _, err := other.Epoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := train(t, other); got.ID() != whole.ID() || !reflect.DeepEqual(got.Tensors(), whole.Tensors()) {
		t.Errorf("%s, want %s", got.ID(), whole.ID())
	}
	for _, b := range [][]byte{nil, one.Checkpoint()[:100], append(one.Checkpoint(), 1)} {
		fresh := trainer(t, s, o)
		if err := fresh.Resume(b); !errors.Is(err, forecast.ErrArchive) || fresh.Done() || len(fresh.Curve()) > 0 {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	o.Seed++
	if err := trainer(t, s, o).Resume(one.Checkpoint()); !errors.Is(err, forecast.ErrArchive) {
		t.Errorf("a checkpoint of another seed: %v", err)
	} else {
		t.Log(err)
	}
	if got := train(t, trainer(t, s, o)); got.ID() == whole.ID() {
		t.Error("another seed gives the same network")
	}
	o.Seed--
	revised := NewSamples(market.Day)
	for _, n := range []string{"INDEX", "FX"} {
		bars := slices.Clone(daily(t, n)[:1800])
		bars[900].High *= 1.001
		if err := revised.Add(t.Context(), n, bars, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := trainer(t, revised, o).Resume(one.Checkpoint()); !errors.Is(err, forecast.ErrArchive) {
		t.Errorf("a checkpoint of prices that have been revised: %v", err)
	}
}

// The network learns that volatility comes in spells: its loss falls below that of the
// best constant scale, which is all that it can say at first.
func TestLearns(t *testing.T) {
	t.Parallel()
	o := small()
	o.Units, o.Epochs, o.Patience = 12, 12, 12
	tr := trainer(t, samplesOf(t, "INDEX", "STOCK", "FX", "COIN"), o)
	v := train(t, tr)
	curve := tr.Curve()
	if first, last := curve[0], curve[o.Epochs-1]; !(last.Train < first.Train-0.01) || !(v.About().Loss < first.Valid-0.003) {
		t.Errorf("it does not learn: %+v ... %+v, ensemble %v", first, last, v.About().Loss)
	}
	best := math.Inf(1)
	for _, p := range curve {
		best = min(best, p.Valid)
	}
	if v.About().Loss > best+0.01 {
		t.Errorf("the ensemble's loss %v is above that of its best member, %v", v.About().Loss, best)
	}
}

// Validation bars are later than all that was learnt from, and a target that reaches into
// them is not learnt.
func TestSplit(t *testing.T) {
	t.Parallel()
	s := samplesOf(t, "INDEX", "FX")
	tr := trainer(t, s, small())
	for _, c := range tr.valid {
		ends := s.runs[c.run].ends
		if at := ends[c.at+tr.opt.Warm]; at < tr.split {
			t.Fatalf("a validation loss at %v, before %v", at, tr.split)
		}
	}
	// Spoil everything that is known from the split on: learning must not notice.
	a := train(t, trainer(t, s, small()))
	spoilt := samplesOf(t, "INDEX", "FX")
	for i := range spoilt.runs {
		r := &spoilt.runs[i]
		for k := range r.rows {
			for h, n := range anchors {
				if k+n < len(r.ends) && r.ends[k+n] >= tr.split {
					r.targets[k][h] = 1000
				}
			}
		}
	}
	b := trainer(t, spoilt, small())
	if _, err := b.Epoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := trainer(t, s, small())
	if _, err := c.Epoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.learner.net.params, c.learner.net.params) || b.curve[0].Train != c.curve[0].Train {
		t.Error("what is known later only changes what is learnt")
	}
	if a.About().Split != tr.split {
		t.Errorf("split %v, want %v", a.About().Split, tr.split)
	}
}

func TestNothingToLearn(t *testing.T) {
	t.Parallel()
	flat := slices.Clone(daily(t, "INDEX")[:500])
	for i := range flat {
		flat[i].Open, flat[i].High, flat[i].Low, flat[i].Close = 7, 7, 7, 7
	}
	for name, bars := range map[string][]market.Bar{"none": nil, "few": daily(t, "INDEX")[:120], "constant": flat} {
		s := NewSamples(market.Day)
		if err := s.Add(t.Context(), name, bars, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := NewTrainer(s, small()); !errors.Is(err, ErrSamples) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Log(err)
		}
	}
	for name, change := range map[string]func(*Options){
		"units": func(o *Options) { o.Units = 0 }, "warm": func(o *Options) { o.Warm = o.Steps }, "rate": func(o *Options) { o.Rate = math.NaN() },
		"ensemble": func(o *Options) { o.Ensemble = 9 }, "cell": func(o *Options) { o.Cell = "rnn" }, "validation": func(o *Options) { o.Validation = 1 },
	} {
		o := small()
		change(&o)
		if _, err := NewTrainer(samplesOf(t, "INDEX"), o); !errors.Is(err, ErrShape) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Log(err)
		}
	}
}

// A rate that makes every network diverge is reported in words.
func TestDiverges(t *testing.T) {
	t.Parallel()
	o := small()
	o.Rate, o.Clip, o.Epochs = 1, 1e6, 2
	tr := trainer(t, samplesOf(t, "INDEX"), o)
	for !tr.Done() {
		p, err := tr.Epoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if p.Valid-p.Valid != 0 {
			t.Errorf("%+v cannot be written as JSON", p)
		}
	}
}

// BenchmarkTrainingStep is one step of the optimiser: 64 sequences of 64 bars with 8 inputs
// through 2 layers of 32 LSTM units, forward, backward and Adam.
func BenchmarkTrainingStep(b *testing.B) {
	for _, workers := range []int{1, 2} {
		b.Run(map[int]string{1: "one goroutine", 2: "two"}[workers], func(b *testing.B) {
			o := Defaults()
			o.Units, o.Layers, o.Workers = 32, 2, workers
			tr := trainer(b, samplesOf(b, "INDEX", "STOCK", "FX", "COIN"), o)
			list := tr.samples.chunks(0, tr.split, o.Steps, o.Warm, 0)[:o.Batch]
			b.ReportAllocs()
			for b.Loop() {
				tr.learn(&tr.learner, list)
			}
		})
	}
}

// BenchmarkForward is one forecast of the same network.
func BenchmarkForward(b *testing.B) {
	s := Shape{LSTM, 8, 32, 2, 10}
	n, err := NewNetwork(s, 1)
	if err != nil {
		b.Fatal(err)
	}
	p := NewPass(s, 64, 1)
	fill(p, 64, 1, 1)
	b.ReportAllocs()
	for b.Loop() {
		n.Infer(p, 63)
	}
}

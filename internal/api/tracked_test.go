package api

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// tracked is a world whose ledger and scores are those of a real track over a small
// random walk in which a bar is absent, data is lost, and a bar is revised.
type tracked struct {
	*world
	track *track.Track
	rng   *rand.Rand
	next  market.Time
	price float64
	bars  []market.Bar // as they were committed, revisions included
}

// What is odd about the walk, by number of committed bars.
const (
	absentAfter  = 120 // one bar is missing
	lostAfter    = 170 // data of ten bars is lost
	revisedAfter = 220 // the bar of three bars before is revised
	trackedBars  = 300
)

func newTracked(t testing.TB, w *world) *tracked {
	t.Helper()
	tr, err := track.New(track.Config{Series: storetest.Series("AMZN").Series, Mode: ledger.Live, Horizons: track.UpTo(5),
		Models: []forecast.Forecaster{naive.New(), drift.New(), ewma.New()}, LateAfter: time.Second})
	must(t, err)
	return &tracked{world: w, track: tr, rng: rand.New(rand.NewPCG(1, 2)), next: storetest.Bar(amzn, 0, 0).Start, price: 100}
}

// input is the next bar of the walk.
func (w *tracked) input() track.Input {
	const second = market.Time(1e6)
	var in track.Input
	switch len(w.bars) {
	case absentAfter:
		w.next += second
	case lostAfter:
		w.next += 10 * second
		in.AfterGap = true
	case revisedAfter:
		in.Bar = w.bars[len(w.bars)-3]
		in.Revision++
		in.Close, in.High = in.Close*1.01, in.High*1.02
		return in
	}
	open := w.price
	w.price = math.Round(open*math.Exp(w.rng.NormFloat64()/1000)*100) / 100
	in.Bar = market.Bar{Start: w.next, End: w.next + second, Open: open, High: max(open, w.price) + 0.01, Low: min(open, w.price) - 0.01,
		Close: w.price, Volume: float64(w.rng.IntN(500)), Trades: 3}
	w.next += second
	return in
}

// advance steps the track over the next bar.
func (w *tracked) advance() (store.BarRecord, track.Result) {
	w.t.Helper()
	in := w.input()
	now := w.next + 50_000
	if len(w.bars)%40 == 39 {
		now += 700_000 // so late that horizon 1 is half over, which is still in time
	}
	res, err := w.track.Advance(context.Background(), in, now)
	must(w.t, err)
	w.bars = append(w.bars, in.Bar)
	return store.BarRecord{Series: amzn, Bar: in.Bar, AfterGap: in.AfterGap}, res
}

// live commits a bar, tells the bus, and does the same with what it causes.
func (w *tracked) live(bar store.BarRecord, res track.Result) {
	w.t.Helper()
	_, last, err := w.store.CommitBars(context.Background(), []store.BarRecord{bar})
	must(w.t, err)
	w.tell(false, last)
	last, err = w.store.CommitStep(context.Background(), store.Step{Series: amzn, Entries: res.Entries, Scores: res.Scores})
	must(w.t, err)
	w.tell(false, last)
}

// past commits n bars, and everything that they cause, at once.
func (w *tracked) past(n int) *tracked {
	w.t.Helper()
	var bars []store.BarRecord
	all := store.Step{Series: amzn}
	for range n {
		bar, res := w.advance()
		bars = append(bars, bar)
		all.Entries, all.Scores = append(all.Entries, res.Entries...), append(all.Scores, res.Scores...)
	}
	_, _, err := w.store.CommitBars(context.Background(), bars)
	must(w.t, err)
	last, err := w.store.CommitStep(context.Background(), all)
	must(w.t, err)
	w.tell(false, last)
	return w
}

// entries decodes the whole chain and checks it.
func (w *tracked) entries() (list []ledger.Sealed, decoded []*ledger.Entry) {
	w.t.Helper()
	list, err := w.store.Entries(context.Background(), amzn, store.EntryQuery{Times: store.Range{Limit: 1 << 20}})
	must(w.t, err)
	var v ledger.Verifier
	for _, s := range list {
		must(w.t, v.Add(s))
		e, err := ledger.Decode(s.Bytes)
		must(w.t, err)
		decoded = append(decoded, e)
	}
	return list, decoded
}

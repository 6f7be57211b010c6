package api

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// history is a market with everything that may happen to one: revisions, bars that are late or
// absent, history that is imported, splits, some of them told of late.
type pastWorld struct {
	*world
	at    atomic.Int64 // the clock of store and server
	track *track.Track
	after uint64
	dice  *rand.Rand
	price []float64 // close of each bar, as traded at first
	rev   map[int]int
	known []market.Action
}

func newPast(t *testing.T, seed uint64) *pastWorld {
	p := &pastWorld{dice: rand.New(rand.NewPCG(seed, 1)), rev: map[int]int{}}
	p.at.Store(int64(market.TimeOf(time.Date(2024, 3, 2, 0, 0, 0, 0, time.UTC))))
	clock := func() time.Time { return p.now().Std() }
	st, err := sqlite.Open(context.Background(), t.TempDir(), sqlite.Options{Now: clock})
	must(t, err)
	p.world = newWorldOn(t, st, nil, func(c *Config) { c.Now, c.Horizons = clock, 3 })
	quick := naive.New()
	quick.Least = 3
	p.track, err = track.New(track.Config{Series: storetest.Series("AMZN").Series, Mode: ledger.Live, Horizons: track.UpTo(3), Models: []forecast.Forecaster{quick, drift.New(), ewma.New()}})
	must(t, err)
	return p
}

func (p *pastWorld) now() market.Time { return market.Time(p.at.Load()) }

// bar is bar i of the market; each call gives its next revision.
func (p *pastWorld) bar(i int) store.BarRecord {
	for len(p.price) <= i {
		last := 100.0
		if n := len(p.price); n > 0 {
			last = p.price[n-1]
		}
		if n := len(p.price); n == 30 || n == 45 { // a split
			last /= 7
		}
		p.price = append(p.price, last*math.Exp(0.01*p.dice.NormFloat64()))
	}
	revision, again := p.rev[i]
	if again {
		revision++
	}
	p.rev[i] = revision
	r := storetest.Bar(amzn, i, 0)
	r.Open = p.price[i]
	r.Close = p.price[i] * (1 + 0.001*float64(revision))
	r.High, r.Low, r.Revision = max(r.Open, r.Close), min(r.Open, r.Close), revision
	return r
}

func (p *pastWorld) commit(recs ...store.BarRecord) {
	p.t.Helper()
	_, _, err := p.store.CommitBars(context.Background(), recs)
	must(p.t, err)
}

// told keeps a split, and lets the track know of it from the next bar on.
func (p *pastWorld) told(bar int, ratio float64, source string) {
	p.t.Helper()
	a := market.Action{Ex: storetest.Bar(amzn, bar, 0).Start, Kind: market.Split, Ratio: ratio, Source: source}
	_, err := p.store.PutActions(context.Background(), storetest.Series("AMZN").Instrument.Key(), p.now(), a)
	must(p.t, err)
	p.known = append(p.known, a)
}

func (p *pastWorld) step() {
	p.t.Helper()
	recs, err := p.store.BarLog(context.Background(), amzn, p.after, 1000)
	must(p.t, err)
	if len(recs) == 0 {
		return
	}
	step := store.Step{Series: amzn}
	for _, r := range recs {
		res, err := p.track.Advance(context.Background(), track.Input{Bar: r.Bar, Backfill: r.Backfill, AfterGap: r.AfterGap, Splits: p.known}, r.End+1000)
		must(p.t, err)
		step.Entries, step.Scores = append(step.Entries, res.Entries...), append(step.Scores, res.Scores...)
		step.Cursor.BarSeq, p.after = r.Seq, r.Seq
	}
	step.Cursor.Inputs = p.track.Inputs()
	_, err = p.store.CommitStep(context.Background(), step)
	must(p.t, err)
}

// pastPaths are what is asked at every moment.
func pastPaths() []string {
	paths := []string{"/v1/series"}
	for _, rest := range []string{
		"", "/bars", "/bars?order=asc&limit=7", "/bars?adjusted=splits", "/forecasts?limit=12", "/forecasts?order=asc&model=drift&horizon=2",
		"/scores?limit=60", "/scores?order=asc&horizon=3&limit=1000", "/scores?model=ewma&order=asc", "/accuracy", "/accuracy?horizon=3&model=drift", "/calibration?model=ewma&horizon=2",
		"/ledger", "/ledger/entries?limit=500", "/ledger/entries?order=desc&kind=outcome", "/ledger/entries/9", "/forecasts/9", "/gaps", "/actions",
	} {
		paths = append(paths, of(amzn, rest))
	}
	return paths
}

// What was answered at a moment is answered as of it ever after.
func TestAsOfIsWhatWasAnswered(t *testing.T) {
	testdata.SkipRaced(t, "answers one at a time")
	for seed := range uint64(2) {
		p := newPast(t, seed)
		type snap struct {
			at     market.Time
			path   string
			status int
			body   string
		}
		var seen []snap
		look := func() {
			p.at.Add(1_000_000)
			for i, path := range pastPaths() {
				if len(seen) > 60 && (len(seen)+i)%4 != 0 { // not every path at each of the many
					continue
				}
				a := p.do("GET", path, "")
				seen = append(seen, snap{p.now(), path, a.StatusCode, string(a.body)})
			}
			p.at.Add(1_000_000)
		}
		next := 0
		for range 26 {
			switch kind := p.dice.IntN(10); {
			case next < 6:
				r := p.bar(next)
				r.Backfill = next < 4
				p.commit(r)
				next++
			case kind < 5:
				p.commit(p.bar(next), p.bar(next+1))
				next += 2
			case kind < 7:
				p.commit(p.bar(next - 1 - p.dice.IntN(min(next, []int{2, 20}[p.dice.IntN(2)]))))
			case kind == 7: // a bar is absent; it may come later as an old one
				r := p.bar(next + 1)
				r.AfterGap = p.dice.IntN(2) == 0
				p.commit(r)
				next += 2
			default:
				p.commit(p.bar(next))
				next++
			}
			if p.dice.IntN(3) > 0 || next < 8 {
				p.step()
			}
			switch next {
			case 28:
				p.told(30, 7, "venue")
			case 50:
				p.told(45, 7, "file")
			}
			look()
		}
		for range 3 { // one that is revised again and again
			p.commit(p.bar(next - 3))
			p.step()
			look()
		}
		if next < 32 {
			t.Fatalf("seed %d: only %d bars", seed, next)
		}
		for _, s := range seen {
			sep := "?"
			if strings.Contains(s.path, "?") {
				sep = "&"
			}
			path := s.path + sep + "as_of=" + s.at.String()
			a := p.do("GET", path, "")
			if a.StatusCode != s.status || s.status == 200 && string(a.body) != s.body {
				t.Fatalf("seed %d: GET %s: %d\n%s\nthen it was %d\n%s", seed, path, a.StatusCode, a.body, s.status, s.body)
			}
		}
	}
}

func TestAsOfRefusals(t *testing.T) {
	p := newPast(t, 1)
	begun := p.now()
	wantProblem(t, p.do("GET", of(amzn, "/bars?as_of=2024-03-02T00:00:00Z"), ""), 422, "nothing is stored yet")
	p.commit(p.bar(0), p.bar(1))
	p.step()
	p.at.Add(10_000_000)
	for _, path := range pastPaths() {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		for as, says := range map[string]string{
			"yesterday":             "write RFC 3339",
			"2024-13-01":            "write RFC 3339",
			"%00":                   "write RFC 3339",
			"-1":                    "write RFC 3339",
			"99999-01-01T00:00:00":  "write RFC 3339",
			"2024-03-02T00:00:11Z":  "in the future",
			"9999-01-01":            "in the future",
			"2024-03-01T23:59:59Z":  "before 2024-03-02T00:00:00Z, the first time",
			"0001-01-01":            "the first time",
			strings.Repeat("2", 70): "",
		} {
			wantProblem(t, p.do("GET", path+sep+"as_of="+as, ""), 422, says)
		}
	}
	wantProblem(t, p.do("GET", of(amzn, "/bars?max_points=10&as_of="+begun.String()), ""), 422, "leave it out, or as_of")
	a := p.do("GET", of(amzn, "/ledger?as_of="+begun.String()), "")
	if tag := a.Header.Get("ETag"); a.StatusCode != 200 || p.do("GET", of(amzn, "/ledger?as_of="+begun.String()), "", "If-None-Match", tag).StatusCode != 304 {
		t.Errorf("%d, ETag %s", a.StatusCode, tag)
	} else if p.do("GET", of(amzn, "/ledger"), "", "If-None-Match", tag).StatusCode != 200 && p.track.Head().Seq > 1 {
		t.Errorf("the tag of then is that of now")
	}
	wantProblem(t, p.do("GET", of(amzn, "/ledger/entries/2?as_of="+begun.String()), ""), 404, "not there at that time")
}

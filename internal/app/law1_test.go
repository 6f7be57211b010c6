package app_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// TestLaw1SealedFirst: a forecast is in the ledger before its outcome is known, with the time at
// which it was made, and is never changed.
func TestLaw1SealedFirst(t *testing.T) {
	t.Parallel()
	for _, name := range []string{days, minutes} {
		t.Run("a forecast stands before its outcome in "+filepath.Base(name), func(t *testing.T) {
			for id, r := range read(t, name).walked(t) {
				if n := sealedFirst(t, r.chain, r.scores); n < 200 {
					t.Errorf("%s: only %d forecasts were judged", id, n)
				}
			}
		})
	}
	if r := real(t, realMinutes); r != nil {
		t.Run("and of real bars", func(t *testing.T) {
			for _, r := range r.walked(t) {
				sealedFirst(t, r.chain, r.scores)
			}
		})
	}
	t.Run("by the clock", sealedByTheClock)
}

// key names a forecast in a chain.
type key struct {
	model          string
	horizon        int
	cutoff, target market.Time
}

// sealedFirst checks a chain, and that each score is of a forecast that was sealed before the
// outcome of its target and says what the score says. It returns the number of scores.
func sealedFirst(t *testing.T, chain []ledger.Sealed, scores []score.Score) int {
	t.Helper()
	verify(t, chain)
	sealed, outcomes := map[key]uint64{}, map[market.Time]uint64{}
	points := map[key]forecast.Forecast{}
	for _, e := range decoded(t, chain) {
		switch {
		case e.Issue != nil:
			for _, f := range e.Issue.Forecasts {
				k := key{f.Model, f.Horizon, e.Issue.Cutoff, f.Target.Start}
				if sealed[k] != 0 {
					t.Fatalf("%+v is sealed twice", k)
				}
				sealed[k], points[k] = e.Seq, f
			}
		case e.Outcome != nil && e.Outcome.Revision == 0:
			if e.At < e.Outcome.Bar.End {
				t.Errorf("the outcome of the bar that ends at %s was recorded at %s", e.Outcome.Bar.End, e.At)
			}
			outcomes[e.Outcome.Bar.Start] = e.Seq
		}
	}
	for _, s := range scores {
		k := key{s.Model, s.Horizon, s.Cutoff, s.Target}
		if sealed[k] == 0 || outcomes[s.Target] == 0 || sealed[k] >= outcomes[s.Target] {
			t.Fatalf("%+v was sealed by entry %d, its outcome by entry %d", k, sealed[k], outcomes[s.Target])
		}
		if f := points[k]; f.Point != s.Predicted || f.Version != s.Version || f.Quantiles[forecast.Q05] != s.Lower || f.Quantiles[forecast.Q95] != s.Upper {
			t.Fatalf("what was judged is not what was sealed: %+v, %+v", s, f)
		}
	}
	return len(scores)
}

func verify(t *testing.T, chain []ledger.Sealed) {
	t.Helper()
	var v ledger.Verifier
	for _, s := range chain {
		if err := v.Add(s); err != nil {
			t.Fatal(err)
		}
	}
}

// sealedByTheClock follows a live venue whose bars come in time, late, and too late.
func sealedByTheClock(t *testing.T) {
	data := t.TempDir()
	s := script{series: coin, data: data, begin: noon, models: []string{"naive", "ewma"}, horizons: 2}
	st := play(t, s)
	st.history(coinBars(-40, 0))
	var clock []market.Time // at which the forecasts of each bar were due
	follow := func(from int, delays ...time.Duration) {
		for i, b := range coinBars(from, from+len(delays)) {
			st.bar(b, delays[i])
			clock = append(clock, market.Time(st.now.Load()))
		}
	}
	const inTime, late, muchTooLate = 100 * time.Millisecond, 10 * time.Second, 130 * time.Second
	follow(0, inTime, inTime, late, inTime, inTime, muchTooLate, inTime, inTime, inTime, inTime)
	st.stop()
	chain := storedAt(t, app.Place{Data: data})[coin.ID()].chain
	sealedOnTime(t, chain, clock)
	sealedInOrder(t, data)

	// A restart adds to the chain and changes nothing in it.
	s.begin = clock[len(clock)-1]
	st = play(t, s)
	follow(10, inTime, inTime, inTime)
	st.stop()
	longer := storedAt(t, app.Place{Data: data})[coin.ID()]
	if len(longer.chain) <= len(chain) || !slices.EqualFunc(longer.chain[:len(chain)], chain, func(a, b ledger.Sealed) bool { return a.Hash == b.Hash }) {
		t.Errorf("%d entries before a restart are not the beginning of the %d after it", len(chain), len(longer.chain))
	}
	sealedFirst(t, longer.chain, longer.scores)

	// And a change is found where it was made, whatever byte it is in.
	at := len(chain) / 2
	for i := range chain[at].Bytes {
		bad := slices.Clone(chain)
		bad[at].Bytes = slices.Clone(bad[at].Bytes)
		bad[at].Bytes[i] ^= 1
		var v ledger.Verifier
		for k, e := range bad {
			if err := v.Add(e); (err != nil) != (k == at) {
				t.Fatalf("byte %d of entry %d was changed, and entry %d gives %v", i, at+1, k+1, err)
			} else if err != nil {
				break
			}
		}
	}
}

// sealedOnTime checks that each issue says when it was made, that what was sealed after the
// opening of its target is marked, and that nothing was sealed after the end of it.
func sealedOnTime(t *testing.T, chain []ledger.Sealed, clock []market.Time) {
	t.Helper()
	late, missed, issues := 0, 0, 0
	for _, e := range decoded(t, chain) {
		if e.Issue == nil {
			continue
		}
		if issues == len(clock) {
			t.Fatalf("there are more issues than bars: entry %d", e.Seq)
		}
		if e.At != clock[issues] {
			t.Errorf("entry %d says that it was made at %s, the clock was %s", e.Seq, e.At, clock[issues])
		}
		issues++
		for _, f := range e.Issue.Forecasts {
			if want := e.At > f.Target.Start.Add(lateAfter); f.Late != want {
				t.Errorf("entry %d at %s: the forecast for %s is marked late: %t", e.Seq, e.At, f.Target.Start, f.Late)
			}
			if e.At >= f.Target.End {
				t.Errorf("entry %d was made at %s, after its target's end, %s", e.Seq, e.At, f.Target.End)
			}
			if f.Late {
				late++
			}
		}
		for _, a := range e.Issue.Abstentions {
			if strings.HasPrefix(a.Reason, "missed") {
				missed++
			}
		}
	}
	if issues != len(clock) || late == 0 || missed == 0 {
		t.Errorf("%d issues of %d bars, %d forecasts late, %d missed: not everything was tested", issues, len(clock), late, missed)
	}
}

// sealedInOrder checks the one sequence of the store: the forecasts from a bar come after it and
// before the next.
func sealedInOrder(t *testing.T, data string) {
	t.Helper()
	st, err := app.Place{Data: data}.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	events, err := st.EventsAfter(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	issue := store.EntryEvent + store.EventKind(ledger.Issue)
	bars, waiting := 0, false
	for _, e := range events {
		switch {
		case e.Kind == store.BarEvent && market.Time(e.Key) >= noon:
			if waiting {
				t.Errorf("bar %s was stored before the forecasts from the bar before it", market.Time(e.Key))
			}
			waiting = true
			bars++
		case e.Kind == issue:
			if !waiting {
				t.Errorf("event %d seals forecasts, and no bar came before it", e.Seq)
			}
			waiting = false
		}
	}
	if bars != 10 || waiting {
		t.Errorf("%d bars; forecasts from the last are missing: %t", bars, waiting)
	}
}

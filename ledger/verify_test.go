package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// reseal changes an entry of a chain and seals it anew, with a good hash.
func reseal(t testing.TB, c []ledger.Sealed, n int, change func(*ledger.Entry)) {
	t.Helper()
	e, err := ledger.Decode(c[n].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	change(e)
	if c[n], err = ledger.Seal(e); err != nil {
		t.Fatal(err)
	}
}

// rechain puts the entries from n on behind the ones before them, with good hashes: what whoever
// holds the database can do.
func rechain(t testing.TB, c []ledger.Sealed, n int) []ledger.Sealed {
	t.Helper()
	for i := n; i < len(c); i++ {
		reseal(t, c, i, func(e *ledger.Entry) { e.Seq, e.Prev = uint64(i+1), c[i-1].Hash })
	}
	return c
}

// TestRules breaks each rule that docs/formats/ledger.md has for a verifier, at the entry where the
// rule is broken and nowhere before it, and goes to its edge without breaking it.
func TestRules(t *testing.T) {
	type sealed = []ledger.Sealed
	same := func(_ *testing.T, c sealed) sealed { return c }
	for _, tc := range []struct {
		name   string
		change func(*testing.T, sealed) sealed
		seq    uint64 // of the bad entry, 0: there is none
		why    string
	}{
		// 1. hashes, numbers, order
		{"one removed", func(_ *testing.T, c sealed) sealed { return slices.Delete(c, 2, 3) }, 3, "the entry that stands here is numbered 4"},
		{"the last removed", func(_ *testing.T, c sealed) sealed { return c[:6] }, 0, ""}, // so publish heads
		{"genesis removed", func(_ *testing.T, c sealed) sealed { return c[1:] }, 1, "the entry that stands here is numbered 2"},
		{"one twice", func(_ *testing.T, c sealed) sealed { return slices.Insert(c, 3, c[2]) }, 4, "the entry that stands here is numbered 3"},
		{"two swapped", func(_ *testing.T, c sealed) sealed { c[2], c[3] = c[3], c[2]; return c }, 3, "the entry that stands here is numbered 4"},
		{"two swapped and filed under each other's number", func(_ *testing.T, c sealed) sealed {
			c[2], c[3] = c[3], c[2]
			c[2].Seq, c[3].Seq = 3, 4
			return c
		}, 3, "its bytes number it 4"},
		{"rewritten without its hash", func(t *testing.T, c sealed) sealed {
			h := c[1].Hash
			reseal(t, c, 1, func(e *ledger.Entry) { e.Issue.Forecasts[0].Point++ })
			c[1].Hash = h
			return c
		}, 2, "its bytes do not have its hash"},
		{"rewritten with a good hash", func(t *testing.T, c sealed) sealed {
			reseal(t, c, 1, func(e *ledger.Entry) { e.Issue.Forecasts[0].Point++ })
			return c
		}, 3, "it does not follow the entry before it"},
		{"filed as another kind", func(_ *testing.T, c sealed) sealed { c[2].Kind = ledger.Void; return c }, 3, "it is filed as void but is outcome"},
		// 2. one series, one mode, a clock that does not run back
		{"another series", func(t *testing.T, c sealed) sealed {
			reseal(t, c, 6, func(e *ledger.Entry) { e.Series = "sim:MSFT@1s" })
			return c
		}, 7, "it belongs to series sim:MSFT@1s"},
		{"another mode", func(t *testing.T, c sealed) sealed {
			reseal(t, c, 6, func(e *ledger.Entry) { e.Mode = ledger.Replay })
			return c
		}, 7, "its mode is replay"},
		{"the clock stands", func(t *testing.T, c sealed) sealed {
			reseal(t, c, 3, func(e *ledger.Entry) { e.Issue, e.Gap, e.At = nil, gap().Gap, at(c[2]) })
			return rechain(t, c, 4)
		}, 0, ""},
		{"the clock runs back", func(t *testing.T, c sealed) sealed {
			reseal(t, c, 3, func(e *ledger.Entry) { e.Issue, e.Gap, e.At = nil, gap().Gap, at(c[2])-1 })
			return rechain(t, c, 4)
		}, 4, "is before the entry before it"},
		// 3. cutoffs increase; the rest of the rule is Seal's
		{"a microsecond later", func(t *testing.T, c sealed) sealed {
			return nextIssue(t, c, c[1], func(e *ledger.Entry) { e.Issue.Cutoff++; e.Issue.Forecasts[0].Target.Start++ })
		}, 0, ""},
		{"the same cutoff again", func(t *testing.T, c sealed) sealed { return nextIssue(t, c, c[1], func(*ledger.Entry) {}) }, 3, "follow those with cutoff"},
		{"an earlier cutoff", func(t *testing.T, c sealed) sealed {
			return nextIssue(t, c, c[1], func(e *ledger.Entry) { e.Issue.Cutoff-- })
		}, 3, "follow those with cutoff"},
		// 4. forecasts stand before their outcomes
		{"from the end of the newest outcome", same, 0, ""},
		{"from before the end of the newest outcome", func(t *testing.T, c sealed) sealed {
			reseal(t, c, 3, func(e *ledger.Entry) { e.Issue.Cutoff-- })
			return rechain(t, c, 4)
		}, 4, "were issued after the outcome"},
		{"from before the end of an outcome that is not the newest", func(t *testing.T, c sealed) sealed {
			o, err := ledger.Decode(c[2].Bytes)
			if err != nil {
				t.Fatal(err)
			}
			o.Outcome.Bar = market.Span{Start: 1, End: 2}
			s, err := ledger.Seal(o)
			if err != nil {
				t.Fatal(err)
			}
			c = rechain(t, slices.Insert(c, 3, s), 3)
			reseal(t, c, 4, func(e *ledger.Entry) { e.Issue.Cutoff-- })
			return rechain(t, c, 5)
		}, 5, "were issued after the outcome"},
		{"from before the end of a bar that was revised", func(t *testing.T, c sealed) sealed {
			reseal(t, c, 2, func(e *ledger.Entry) { e.Outcome.Revision = 1 })
			reseal(t, c, 3, func(e *ledger.Entry) { e.Issue.Cutoff-- })
			return rechain(t, c, 3)
		}, 0, ""},
		// 5. and 6. are of the bytes alone
		{"an outcome before its bar has ended", func(_ *testing.T, c sealed) sealed {
			b := bytes.Clone(c[2].Bytes)
			b[len(b)-13]++ // the last byte of the bar's end, before revision and close
			b[len(b)-14]++
			b[len(b)-15]++
			c[2].Bytes, c[2].Hash = b, sha256.Sum256(b)
			return c
		}, 3, "had not ended"},
		{"bytes that are no entry", func(_ *testing.T, c sealed) sealed {
			b := append(bytes.Clone(c[2].Bytes), 0)
			c[2].Bytes, c[2].Hash = b, sha256.Sum256(b)
			return c
		}, 3, "not a canonical entry"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var bad *ledger.BadEntry
			err := verify(tc.change(t, chain(t)))
			switch {
			case tc.seq == 0 && err != nil:
				t.Errorf("refused: %v", err)
			case tc.seq > 0 && (!errors.As(err, &bad) || bad.Seq != tc.seq || !strings.Contains(bad.Reason, tc.why)):
				t.Errorf("got %v, want entry %d: %s", err, tc.seq, tc.why)
			}
		})
	}
}

func at(s ledger.Sealed) market.Time {
	e, err := ledger.Decode(s.Bytes)
	if err != nil {
		panic(err) // the test made it
	}
	return e.At
}

// nextIssue puts a copy of an issue, changed, in third place of a chain, and drops the rest.
func nextIssue(t *testing.T, c []ledger.Sealed, like ledger.Sealed, change func(*ledger.Entry)) []ledger.Sealed {
	t.Helper()
	c = rechain(t, append(c[:2:2], like), 2)
	reseal(t, c, 2, change)
	return c
}

// history is a chain as a slice: it knows the rules, and nothing is remembered from one entry to
// the next but the entries.
type history []ledger.Entry

// breaks tells which rule an entry that was sealed breaks, "" for none.
func (h history) breaks(e *ledger.Entry, prev ledger.Hash) string {

	switch {
	case e.Seq != uint64(len(h)+1):
		return "number"
	case e.Prev != prev:
		return "prev"
	case len(h) == 0:
		return ""
	case e.Series != h[0].Series:
		return "series"
	case e.Mode != h[0].Mode:
		return "mode"
	case e.At < h[len(h)-1].At:
		return "clock"
	case e.Issue == nil:
		return ""
	}
	for i := range h {
		if h[i].Issue != nil && h[i].Issue.Cutoff >= e.Issue.Cutoff {
			return "cutoff"
		}
		if o := h[i].Outcome; o != nil && o.Revision == 0 && e.Issue.Cutoff < o.Bar.End {
			return "outcome"
		}
	}
	return ""
}

// TestVerifierAgainstASlice draws chains of entries that mostly follow one another, around 1970, and
// holds the verifier against the rules, applied to the whole slice.
func TestVerifierAgainstASlice(t *testing.T) {
	hit, drawn := map[string]int{}, 0
	rapid.Check(t, func(t *rapid.T) {
		var h history
		var v ledger.Verifier
		var head ledger.Head
		forecasts := 0
		for range rapid.IntRange(1, 40).Draw(t, "entries") {
			e := h.next(t, head)
			s, err := ledger.Seal(e)
			if err != nil {
				t.Fatalf("%+v: %v", e, err)
			}
			before := v
			err = v.Add(s)
			broken := h.breaks(e, head.Hash)
			drawn++
			hit[broken]++
			var bad *ledger.BadEntry
			switch {
			case broken == "" && err != nil:
				t.Fatalf("entry %d follows the rules: %v", e.Seq, err)
			case broken != "" && (!errors.As(err, &bad) || bad.Seq != uint64(len(h)+1)):
				t.Fatalf("entry %d breaks the rule of %s: %v", len(h)+1, broken, err)
			case broken != "":
				v = before // it must not be used further, and copies are worth what they were
				continue
			}
			h, head = append(h, *e), ledger.Head{Seq: s.Seq, Hash: s.Hash}
			if e.Issue != nil {
				forecasts += len(e.Issue.Forecasts)
			}
			if v.Head() != head || v.Series() != h[0].Series || v.Forecasts() != forecasts {
				t.Fatalf("head %v of %s with %d forecasts, want %v of %s with %d", v.Head(), v.Series(), v.Forecasts(), head, h[0].Series, forecasts)
			}
		}
	})
	t.Logf("%d entries: %v", drawn, hit)
	if rules := slices.Sorted(maps.Keys(hit)); drawn > 500 && len(rules) != 8 {
		t.Errorf("of %d entries only these rules were broken: %q", drawn, rules)
	}
}

// next draws an entry that can be sealed, and in most cases follows.
func (h history) next(t *rapid.T, head ledger.Head) *ledger.Entry {
	odd := func(what string) bool { return rapid.IntRange(0, 24).Draw(t, what) == 13 }
	small := func(what string, lo, hi int) market.Time { return market.Time(rapid.IntRange(lo, hi).Draw(t, what)) }
	e := &ledger.Entry{Series: "sim:A@1s", Mode: ledger.Replay, Seq: head.Seq + 1, Prev: head.Hash, At: -8}
	if len(h) > 0 {
		e.At = h[len(h)-1].At + small("later", 0, 4)
	}
	if odd("clock") {
		e.At -= 3
	}
	if odd("series") {
		e.Series = "sim:B@1s"
	}
	if odd("mode") {
		e.Mode = ledger.Live
	}
	if odd("number") {
		e.Seq += 1 + uint64(small("skipped", 0, 1))
	}
	if odd("prev") {
		e.Prev[0] ^= 1
	}
	if e.Seq == 1 {
		e.Prev = ledger.Hash{}
		e.Genesis = &ledger.GenesisBody{Horizons: 1}
		return e
	}
	switch rapid.IntRange(0, 4).Draw(t, "kind") {
	case 0, 1:
		e.Issue = &ledger.IssueBody{Cutoff: e.At - small("cutoff", 0, 4)}
		for range rapid.IntRange(0, 2).Draw(t, "forecasts") {
			e.Issue.Forecasts = append(e.Issue.Forecasts, forecast.Forecast{Model: "naive", Version: "1", Horizon: 1, Target: market.Span{Start: e.At, End: e.At + 1}})
		}
	case 2, 3:
		end := e.At - small("end", 0, 2)
		e.Outcome = &ledger.OutcomeBody{Bar: market.Span{Start: end - 1, End: end}, Revision: rapid.IntRange(0, 1).Draw(t, "revision")}
	case 4:
		e.Void = &ledger.VoidBody{Targets: []market.Time{e.At}}
	}
	return e
}

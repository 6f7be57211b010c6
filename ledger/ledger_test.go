package ledger_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

const second = market.Time(1_000_000)

// chain returns a small live chain with every kind of entry.
func chain(t testing.TB) []ledger.Sealed {
	t.Helper()
	at := market.Time(1_700_000_000) * second
	var out []ledger.Sealed
	var prev ledger.Hash
	add := func(e ledger.Entry) {
		e.Series, e.Mode, e.Seq, e.Prev = "sim:AMZN@1s", ledger.Live, uint64(len(out)+1), prev
		s, err := ledger.Seal(&e)
		if err != nil {
			t.Fatal(err)
		}
		out, prev = append(out, s), s.Hash
	}
	add(ledger.Entry{At: at, Genesis: &ledger.GenesisBody{Simulated: true, Calendar: "24x7", Horizons: 5}})
	add(ledger.Entry{At: at + second + 70_000, Issue: issue(at + second)})
	add(ledger.Entry{At: at + 2*second + 50_000, Outcome: &ledger.OutcomeBody{Bar: market.Span{Start: at + second, End: at + 2*second}, Close: 180.25}})
	add(ledger.Entry{At: at + 2*second + 60_000, Issue: issue(at + 2*second)})
	add(ledger.Entry{At: at + 9*second, Gap: &ledger.GapBody{Span: market.Span{Start: at + 2*second, End: at + 8*second}, Bars: 6, Missed: 30, Reason: "not running"}})
	add(ledger.Entry{At: at + 9*second, Void: &ledger.VoidBody{Targets: []market.Time{at + 2*second, at + 3*second}, Reason: "gap"}})
	add(ledger.Entry{At: at + 9*second, Outcome: &ledger.OutcomeBody{Bar: market.Span{Start: at + second, End: at + 2*second}, Revision: 1, Close: 180.27}})
	return out
}

func issue(cutoff market.Time) *ledger.IssueBody {
	b := &ledger.IssueBody{Cutoff: cutoff, Inputs: ledger.Hash{1, 2, 3}, Last: 180.2, Scale: 0.03,
		Abstentions: []forecast.Abstention{{Model: "ewma", Reason: "too few bars"}}}
	for h := 1; h <= 2; h++ {
		f := forecast.Forecast{Model: "naive", Version: "naive@1", Horizon: h, Point: 180.2, Late: h == 2,
			Target: market.Span{Start: cutoff + market.Time(h-1)*second, End: cutoff + market.Time(h)*second}}
		for i := range f.Quantiles {
			f.Quantiles[i] = 180 + float64(i)/64
		}
		b.Forecasts = append(b.Forecasts, f)
	}
	return b
}

func verify(c []ledger.Sealed) error {
	var v ledger.Verifier
	for _, s := range c {
		if err := v.Add(s); err != nil {
			return err
		}
	}
	return nil
}

func TestChainVerifies(t *testing.T) {
	c := chain(t)
	var v ledger.Verifier
	for _, s := range c {
		if err := v.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	if v.Head() != (ledger.Head{Seq: 7, Hash: c[6].Hash}) || v.Forecasts() != 4 || v.Series() != "sim:AMZN@1s" {
		t.Errorf("head %v, %d forecasts of %s", v.Head(), v.Forecasts(), v.Series())
	}
}

// Law 1: any change of any byte is found, at the entry where it was made.
func TestEveryChangedByteIsFound(t *testing.T) {
	for n := range chain(t) {
		for i := range chain(t)[n].Bytes {
			c := chain(t)
			c[n].Bytes[i] ^= 0x10
			var bad *ledger.BadEntry
			if err := verify(c); !errors.As(err, &bad) || bad.Seq != uint64(n+1) {
				t.Fatalf("byte %d of entry %d changed: %v", i, n+1, err)
			}
		}
		for i := range (ledger.Hash{}) {
			c := chain(t)
			c[n].Hash[i] ^= 1
			var bad *ledger.BadEntry
			if err := verify(c); !errors.As(err, &bad) || bad.Seq != uint64(n+1) {
				t.Fatalf("hash byte %d of entry %d changed: %v", i, n+1, err)
			}
		}
	}
}

func TestOrderIsProved(t *testing.T) {
	reseal := func(c []ledger.Sealed, n int, change func(*ledger.Entry)) {
		e, err := ledger.Decode(c[n].Bytes)
		if err != nil {
			t.Fatal(err)
		}
		change(e)
		if c[n], err = ledger.Seal(e); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name   string
		change func([]ledger.Sealed) []ledger.Sealed
		seq    uint64
	}{
		{"one removed", func(c []ledger.Sealed) []ledger.Sealed { return slices.Delete(c, 2, 3) }, 3},
		{"two swapped", func(c []ledger.Sealed) []ledger.Sealed { c[2], c[3] = c[3], c[2]; return c }, 3},
		{"genesis removed", func(c []ledger.Sealed) []ledger.Sealed { return c[1:] }, 1},
		{"rewritten with a good hash", func(c []ledger.Sealed) []ledger.Sealed {
			reseal(c, 1, func(e *ledger.Entry) { e.Issue.Forecasts[0].Point++ })
			return c
		}, 3},
		{"clock runs back", func(c []ledger.Sealed) []ledger.Sealed {
			reseal(c, 6, func(e *ledger.Entry) { e.At -= 5 * second })
			return c
		}, 7},
		{"another series", func(c []ledger.Sealed) []ledger.Sealed {
			reseal(c, 6, func(e *ledger.Entry) { e.Series = "sim:MSFT@1s" })
			return c
		}, 7},
		{"forecast after its outcome", func(c []ledger.Sealed) []ledger.Sealed {
			reseal(c, 3, func(e *ledger.Entry) { *e.Issue = *issue(e.Issue.Cutoff - second/2) })
			return c
		}, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var bad *ledger.BadEntry
			if err := verify(tc.change(chain(t))); !errors.As(err, &bad) || bad.Seq != tc.seq {
				t.Errorf("got %v, want entry %d", err, tc.seq)
			}
		})
	}
}

func TestSealKeepsTheLaws(t *testing.T) {
	at := market.Time(1_700_000_000) * second
	for _, tc := range []struct {
		name   string
		change func(*ledger.Entry)
	}{
		{"issued before its cutoff", func(e *ledger.Entry) { e.At = e.Issue.Cutoff - 1 }},
		{"issued when its target had ended", func(e *ledger.Entry) { e.At = e.Issue.Forecasts[0].Target.End }},
		{"target before the cutoff", func(e *ledger.Entry) { e.Issue.Forecasts[0].Target.Start = e.Issue.Cutoff - 1 }},
		{"quantiles cross", func(e *ledger.Entry) { e.Issue.Forecasts[0].Quantiles[5] = 0 }},
		{"NaN point", func(e *ledger.Entry) { e.Issue.Forecasts[0].Point = math.NaN() }},
		{"infinite quantile", func(e *ledger.Entry) { e.Issue.Forecasts[0].Quantiles[22] = math.Inf(1) }},
		{"no horizon", func(e *ledger.Entry) { e.Issue.Forecasts[0].Horizon = 0 }},
		{"no version", func(e *ledger.Entry) { e.Issue.Forecasts[0].Version = "" }},
		{"two bodies", func(e *ledger.Entry) { e.Gap = &ledger.GapBody{} }},
		{"no body", func(e *ledger.Entry) { e.Issue = nil }},
		{"no mode", func(e *ledger.Entry) { e.Mode = 0 }},
		{"first but not genesis", func(e *ledger.Entry) { e.Seq = 1 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := ledger.Entry{Series: "sim:AMZN@1s", Mode: ledger.Live, Seq: 2, At: at + second + 1, Issue: issue(at + second)}
			if _, err := ledger.Seal(&e); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			tc.change(&e)
			if _, err := ledger.Seal(&e); err == nil {
				t.Error("sealed")
			}
		})
	}
	t.Run("a replay knows the outcome", func(t *testing.T) {
		e := ledger.Entry{Series: "file:AMZN@1s", Mode: ledger.Replay, Seq: 2, At: at + 9*second, Issue: issue(at + second)}
		if _, err := ledger.Seal(&e); err != nil {
			t.Error(err)
		}
	})
}

func TestJSONRoundTrip(t *testing.T) {
	for _, s := range chain(t) {
		line, err := ledger.AppendJSON(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.ParseJSON(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(s, got); diff != "" {
			t.Error(diff)
		}
		for i := range line { // a changed digit is found
			if line[i] >= '0' && line[i] <= '8' {
				b := bytes.Clone(line)
				b[i]++
				if got, err := ledger.ParseJSON(b); err == nil && got.Hash == s.Hash && !bytes.Equal(got.Bytes, s.Bytes) {
					t.Fatalf("changed at %d: %s", i, b)
				}
			}
		}
	}
}

func TestRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cutoff := market.Time(rapid.Int64Range(int64(market.MinTime), int64(market.MaxTime)-1e9).Draw(t, "cutoff"))
		b := issue(cutoff)
		for i := range b.Forecasts {
			v := rapid.Float64Range(-1e300, 1e300).Draw(t, "q")
			for k := range b.Forecasts[i].Quantiles {
				b.Forecasts[i].Quantiles[k] = v
			}
			b.Forecasts[i].Model = rapid.StringN(1, 30, 200).Draw(t, "model")
		}
		e := &ledger.Entry{Series: "a:b@1s", Mode: ledger.Replay, Seq: rapid.Uint64Range(2, math.MaxUint64).Draw(t, "seq"), At: cutoff, Issue: b}
		s, err := ledger.Seal(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.Decode(s.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range chain(f) {
		f.Add(s.Bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ledger.Decode(b)
		if err != nil {
			return
		}
		s, err := ledger.Seal(e)
		if err != nil || !bytes.Equal(s.Bytes, b) {
			t.Errorf("decoded bytes do not seal to themselves: %v", err)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	for _, s := range chain(f) {
		line, err := ledger.AppendJSON(nil, s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := ledger.ParseJSON(line)
		if err != nil {
			return
		}
		if _, err := ledger.Decode(s.Bytes); err != nil {
			t.Errorf("parsed but does not decode: %v", err)
		}
	})
}

func BenchmarkSealIssue(b *testing.B) {
	body := issue(second)
	for len(body.Forecasts) < 15 {
		body.Forecasts = append(body.Forecasts, body.Forecasts[0])
	}
	e := ledger.Entry{Series: "sim:AMZN@1s", Mode: ledger.Replay, Seq: 2, At: second, Issue: body}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ledger.Seal(&e); err != nil {
			b.Fatal(err)
		}
	}
}

package ledger_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

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

// Bytes that are decoded seal to themselves, and go through JSON.
func FuzzDecode(f *testing.F) {
	for _, s := range chain(f) {
		f.Add(s.Bytes)
		f.Add(s.Bytes[:len(s.Bytes)-1])
	}
	for _, e := range []*ledger.Entry{genesis(), outcome(), void(), gap()} {
		f.Add(page(e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ledger.Decode(b)
		if err != nil {
			if !errors.Is(err, ledger.ErrMalformed) {
				t.Error(err)
			}
			return
		}
		s, err := ledger.Seal(e)
		if err != nil || !bytes.Equal(s.Bytes, b) {
			t.Fatalf("decoded bytes do not seal to themselves: %v", err)
		}
		line, err := ledger.AppendJSON(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ledger.ParseJSON(line)
		if err != nil || !bytes.Equal(again.Bytes, b) || again.Hash != s.Hash || again.Kind != s.Kind {
			t.Errorf("%s came back as %x, %v", line, again.Bytes, err)
		}
	})
}

// A line that is read says what a line of its own entry says.
func FuzzParseJSON(f *testing.F) {
	for _, s := range chain(f) {
		line := lineOf(f, s)
		f.Add([]byte(line))
		f.Add([]byte(line[:len(line)/2]))
		f.Add([]byte(strings.Replace(line, `"format":1`, `"format":2`, 1)))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		s, err := ledger.ParseJSON(line)
		if err != nil {
			var bad *ledger.BadEntry
			if !errors.Is(err, ledger.ErrMalformed) && !errors.As(err, &bad) {
				t.Error(err)
			}
			return
		}
		e, err := ledger.Decode(s.Bytes)
		if err != nil || e.Seq != s.Seq {
			t.Fatalf("parsed but does not decode: %v", err)
		}
		again, err := ledger.ParseJSON([]byte(lineOf(t, s)))
		if err != nil || again.Hash != s.Hash || !bytes.Equal(again.Bytes, s.Bytes) {
			t.Errorf("%s came back as %x, %v", line, again.Bytes, err)
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

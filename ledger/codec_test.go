package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// page writes an entry as docs/formats/ledger.md says it, and knows nothing of the package's own
// encoder.
func page(e *ledger.Entry) []byte {
	var b []byte
	put := func(values ...any) {
		for _, v := range values {
			switch v := v.(type) {
			case string:
				b = append(b, v...)
			case bool:
				b = append(b, map[bool]byte{true: 1}[v])
			case uint8:
				b = append(b, v)
			case uint16:
				b = append(b, byte(v>>8), byte(v))
			case uint32:
				b = append(b, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
			case uint64:
				b = binary.BigEndian.AppendUint64(b, v)
			case market.Time:
				b = binary.BigEndian.AppendUint64(b, uint64(v))
			case float64:
				b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
			case ledger.Hash:
				b = append(b, v[:]...)
			default:
				panic(fmt.Sprintf("the page has no %T", v))
			}
		}
	}
	str := func(s string) { put(uint16(len(s)), s) }
	span := func(s market.Span) { put(s.Start, s.End) }
	kind := func(k uint8) {
		put("FTKL", uint8(1), k, uint8(e.Mode))
		str(string(e.Series))
		put(e.Seq, e.At, e.Prev)
	}
	switch {
	case e.Genesis != nil:
		kind(1)
		put(e.Genesis.Simulated)
		str(e.Genesis.Calendar)
		put(uint16(e.Genesis.Horizons))
	case e.Issue != nil:
		kind(2)
		i := e.Issue
		put(i.Cutoff, i.Inputs, i.Last, i.Scale, i.Volatility, uint8(i.Regime), uint32(len(i.Forecasts)))
		for _, f := range i.Forecasts {
			str(f.Model)
			str(f.Version)
			put(uint16(f.Horizon))
			span(f.Target)
			put(f.Late, f.Point)
			for _, q := range f.Quantiles {
				b = binary.BigEndian.AppendUint64(b, math.Float64bits(q))
			}
			put(uint8(len(f.Shares)))
			for _, s := range f.Shares {
				str(s.Expert)
				put(s.Weight)
			}
		}
		put(uint32(len(i.Abstentions)))
		for _, a := range i.Abstentions {
			str(a.Model)
			str(a.Version)
			put(uint16(a.Horizon))
			str(a.Reason)
		}
	case e.Outcome != nil:
		kind(3)
		span(e.Outcome.Bar)
		put(uint32(e.Outcome.Revision), e.Outcome.Close)
	case e.Void != nil:
		kind(4)
		put(uint32(len(e.Void.Targets)))
		for _, target := range e.Void.Targets {
			b = binary.BigEndian.AppendUint64(b, uint64(target))
		}
		str(e.Void.Reason)
	case e.Gap != nil:
		kind(5)
		span(e.Gap.Span)
		put(uint32(e.Gap.Bars), uint32(e.Gap.Missed))
		str(e.Gap.Reason)
	}
	return b
}

// Every field of every kind is sealed as the page says, and comes back to the last bit: from the
// bytes and from JSON.
func TestRoundTrip(t *testing.T) {
	bits := cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) })
	rapid.Check(t, func(t *rapid.T) {
		e := drawEntry(t)
		s, err := ledger.Seal(e)
		if err != nil {
			t.Fatal(err)
		}
		if want := page(e); !bytes.Equal(s.Bytes, want) {
			t.Fatalf("sealed as\n%x, the page has\n%x", s.Bytes, want)
		}
		if s.Hash != sha256.Sum256(s.Bytes) || s.Seq != e.Seq {
			t.Errorf("hash %s, entry %d", s.Hash, s.Seq)
		}
		got, err := ledger.Decode(s.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got, bits); diff != "" {
			t.Error(diff)
		}
		line, err := ledger.AppendJSON([]byte("before "), s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ledger.ParseJSON(bytes.TrimPrefix(line, []byte("before ")))
		if err != nil || bytes.ContainsRune(line, '\n') {
			t.Fatalf("%s: %v", line, err)
		}
		if diff := cmp.Diff(s, again); diff != "" {
			t.Error(diff)
		}
	})
}

// The hashes of a small chain, as the page's bytes have them (TestRoundTrip). Whoever changes one
// breaks every ledger that there is.
func TestHashesStay(t *testing.T) {
	want := []string{
		"7f5aeac9232324d2b320316b0ae341a32f2dfa56b62a21c80010de783c8060e5",
		"2dd458751ba659a8d653c5636dc81617d7beaa08bd9d599bff316838e5cf8c4c",
		"92038c36191991ffaa4ad17e8f5a0d27c360911122fb77b953b54534f73d0909",
		"1cd89c16c0958763c7eb1d83a41ae0db6dbcaf0c55b29bbb7a203ff3d6ba4c37",
		"403bfbe4924bf23f14ec2c09095e50439e0645e0e89dab8ca6220d39c1ac123c",
		"30e3052ea04e70b5736e72b8f4a7624145ae4e64e53c1f00d93cb0bd8860d613",
		"6ef2e30f4ec719170f7425eafb4bb221ad3a9cc61f61c4d667ca86ce9cce4362",
	}
	for i, s := range chain(t) {
		if got := s.Hash.String(); got != want[i] {
			t.Errorf("entry %d has hash %s, want %s", i+1, got, want[i])
		}
	}
}

// live is an issue that may be sealed, to be changed.
func live() *ledger.Entry {
	at := market.Time(1_700_000_000) * second
	return &ledger.Entry{Series: "sim:AMZN@1s", Mode: ledger.Live, Seq: 2, At: at + second + 1, Issue: issue(at + second)}
}

func genesis() *ledger.Entry {
	return &ledger.Entry{Series: "sim:AMZN@1s", Mode: ledger.Live, Seq: 1, At: second, Genesis: &ledger.GenesisBody{Horizons: 1}}
}

func outcome() *ledger.Entry {
	return &ledger.Entry{Series: "sim:AMZN@1s", Mode: ledger.Live, Seq: 2, At: 3 * second, Outcome: &ledger.OutcomeBody{Bar: market.Span{Start: second, End: 2 * second}, Close: 1}}
}

func void() *ledger.Entry {
	return &ledger.Entry{Series: "sim:AMZN@1s", Mode: ledger.Live, Seq: 2, At: 3 * second, Void: &ledger.VoidBody{Targets: []market.Time{1}, Reason: "gap"}}
}

func gap() *ledger.Entry {
	return &ledger.Entry{Series: "sim:AMZN@1s", Mode: ledger.Live, Seq: 2, At: 3 * second, Gap: &ledger.GapBody{Span: market.Span{Start: 1, End: 2}}}
}

// TestLimits has both sides of each limit of each field: the last value that is sealed, and the
// first that is not.
func TestLimits(t *testing.T) {
	long, tooLong, broken := strings.Repeat("é", 512), strings.Repeat("é", 512)+"x", "a\xffb"
	entry := func(make func() *ledger.Entry, change func(*ledger.Entry)) *ledger.Entry {
		e := make()
		change(e)
		return e
	}
	type side = *ledger.Entry
	for _, c := range []struct {
		name    string
		sealed  []side
		refused []side
	}{
		{"bodies", []side{live()}, []side{
			entry(live, func(e side) { e.Issue = nil }),
			entry(live, func(e side) { e.Gap = gap().Gap }),
		}},
		{"mode", []side{entry(outcome, func(e side) { e.Mode = ledger.Replay })}, []side{
			entry(outcome, func(e side) { e.Mode = 0 }), entry(outcome, func(e side) { e.Mode = 3 }),
		}},
		{"number", []side{genesis(), entry(gap, func(e side) { e.Seq = math.MaxUint64 })}, []side{
			entry(gap, func(e side) { e.Seq = 0 }), entry(gap, func(e side) { e.Seq = 1 }), entry(genesis, func(e side) { e.Seq = 2 }),
			entry(genesis, func(e side) { e.Prev[31] = 1 }),
		}},
		{"series", []side{entry(gap, func(e side) { e.Series = market.SeriesID(long) })}, []side{
			entry(gap, func(e side) { e.Series = "" }), entry(gap, func(e side) { e.Series = market.SeriesID(tooLong) }), entry(gap, func(e side) { e.Series = market.SeriesID(broken) }),
		}},
		{"time", []side{entry(gap, func(e side) { e.At = market.MaxTime }), entry(void, func(e side) { e.At = market.MinTime })}, []side{
			entry(gap, func(e side) { e.At = market.MaxTime + 1 }), entry(void, func(e side) { e.At = market.MinTime - 1 }),
		}},
		{"genesis: horizons", []side{entry(genesis, func(e side) { e.Genesis.Horizons = 65535 })}, []side{
			entry(genesis, func(e side) { e.Genesis.Horizons = 0 }), entry(genesis, func(e side) { e.Genesis.Horizons = 65536 }),
		}},
		{"genesis: calendar", []side{entry(genesis, func(e side) { e.Genesis.Calendar = long })}, []side{
			entry(genesis, func(e side) { e.Genesis.Calendar = tooLong }), entry(genesis, func(e side) { e.Genesis.Calendar = broken }),
		}},
		{"issue: cutoff", []side{entry(live, func(e side) { e.At = e.Issue.Cutoff })}, []side{
			entry(live, func(e side) { e.At = e.Issue.Cutoff - 1 }),
			entry(live, func(e side) { e.Issue.Cutoff = market.MinTime - 1 }),
		}},
		{"issue: numbers", []side{entry(live, func(e side) { e.Issue.Last, e.Issue.Scale, e.Issue.Volatility = -37.63, 0, 0 })}, []side{
			entry(live, func(e side) { e.Issue.Last = math.NaN() }), entry(live, func(e side) { e.Issue.Scale = math.Inf(1) }), entry(live, func(e side) { e.Issue.Volatility = math.Inf(-1) }),
		}},
		{"issue: regime", []side{entry(live, func(e side) { e.Issue.Regime = forecast.HighVolatility })}, []side{
			entry(live, func(e side) { e.Issue.Regime = forecast.HighVolatility + 1 }),
		}},
		{"forecast: names", []side{entry(live, func(e side) { f := &e.Issue.Forecasts[0]; f.Model, f.Version = long, long })}, []side{
			entry(live, func(e side) { e.Issue.Forecasts[1].Model = "" }), entry(live, func(e side) { e.Issue.Forecasts[1].Model = tooLong }),
			entry(live, func(e side) { e.Issue.Forecasts[1].Version = "" }), entry(live, func(e side) { e.Issue.Forecasts[1].Version = broken }),
		}},
		{"forecast: horizon", []side{entry(live, func(e side) { e.Issue.Forecasts[0].Horizon = 65535 })}, []side{
			entry(live, func(e side) { e.Issue.Forecasts[0].Horizon = 0 }), entry(live, func(e side) { e.Issue.Forecasts[0].Horizon = 65536 }),
		}},
		{"forecast: target", []side{
			entry(live, func(e side) { e.Issue.Forecasts[0].Target.Start = e.Issue.Cutoff }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Target.End = market.MaxTime }),
		}, []side{
			entry(live, func(e side) { e.Issue.Forecasts[0].Target.Start = e.Issue.Cutoff - 1 }),
			entry(live, func(e side) { f := &e.Issue.Forecasts[0]; f.Target.End = f.Target.Start }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Target.End = market.MaxTime + 1 }),
		}},
		{"forecast: issued before its target ends", []side{
			entry(live, func(e side) { e.At = e.Issue.Forecasts[0].Target.End - 1 }),
			entry(live, func(e side) { e.Mode, e.At = ledger.Replay, e.Issue.Forecasts[1].Target.End+second }), // a replay knows the outcome
		}, []side{
			entry(live, func(e side) { e.At = e.Issue.Forecasts[0].Target.End }),
		}},
		{"forecast: numbers", []side{entry(live, func(e side) { e.Issue.Forecasts[0].Point = -1 })}, []side{
			entry(live, func(e side) { e.Issue.Forecasts[0].Point = math.NaN() }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Quantiles[22] = math.Inf(1) }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Quantiles[0] = math.NaN() }),
		}},
		{"forecast: quantiles", []side{entry(live, func(e side) { f := &e.Issue.Forecasts[0]; f.Quantiles[5] = f.Quantiles[4] })}, []side{
			entry(live, func(e side) { f := &e.Issue.Forecasts[0]; f.Quantiles[5] = math.Nextafter(f.Quantiles[4], 0) }),
		}},
		{"forecast: shares", []side{
			entry(live, func(e side) { e.Issue.Forecasts[0].Shares = shares(255, 1) }), entry(live, func(e side) { e.Issue.Forecasts[0].Shares = shares(1, 0) }),
		}, []side{
			entry(live, func(e side) { e.Issue.Forecasts[0].Shares = shares(256, 1) }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Shares = shares(2, math.Nextafter(1, 2)) }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Shares = shares(2, -math.SmallestNonzeroFloat64) }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Shares = shares(2, math.NaN()) }),
			entry(live, func(e side) { e.Issue.Forecasts[0].Shares = []forecast.Share{{}} }),
		}},
		{"forecasts", []side{entry(live, func(e side) { e.Issue.Forecasts = many(e.Issue.Forecasts[:1], 65535) }), entry(live, func(e side) { e.Issue.Forecasts = nil })}, []side{
			entry(live, func(e side) { e.Issue.Forecasts = many(e.Issue.Forecasts[:1], 65536) }),
		}},
		{"abstentions", []side{entry(live, func(e side) { e.Issue.Abstentions = many(e.Issue.Abstentions[:1], 65535) }), entry(live, func(e side) { e.Issue.Abstentions = nil })}, []side{
			entry(live, func(e side) { e.Issue.Abstentions = many(e.Issue.Abstentions[:1], 65536) }),
		}},
		{"abstention: texts", []side{entry(live, func(e side) { e.Issue.Abstentions[0] = forecast.Abstention{Model: long, Version: "", Reason: long} })}, []side{
			entry(live, func(e side) { e.Issue.Abstentions[0].Model = "" }),
			entry(live, func(e side) { e.Issue.Abstentions[0].Version = tooLong }),
			entry(live, func(e side) { e.Issue.Abstentions[0].Reason = tooLong }),
			entry(live, func(e side) { e.Issue.Abstentions[0].Reason = broken }),
		}},
		{"abstention: horizon", []side{entry(live, func(e side) { e.Issue.Abstentions[0].Horizon = 65535 })}, []side{
			entry(live, func(e side) { e.Issue.Abstentions[0].Horizon = -1 }), entry(live, func(e side) { e.Issue.Abstentions[0].Horizon = 65536 }),
		}},
		{"outcome: bar", []side{entry(outcome, func(e side) { e.At = e.Outcome.Bar.End }), entry(outcome, func(e side) { e.Outcome.Bar.Start = market.MinTime })}, []side{
			entry(outcome, func(e side) { e.At = e.Outcome.Bar.End - 1 }),
			entry(outcome, func(e side) { e.Outcome.Bar.Start = e.Outcome.Bar.End }),
			entry(outcome, func(e side) { e.Outcome.Bar.Start = market.MinTime - 1 }),
		}},
		{"outcome: revision", []side{entry(outcome, func(e side) { e.Outcome.Revision = math.MaxUint32 })}, []side{
			entry(outcome, func(e side) { e.Outcome.Revision = -1 }), entry(outcome, func(e side) { e.Outcome.Revision = math.MaxUint32 + 1 }),
		}},
		{"outcome: close", []side{entry(outcome, func(e side) { e.Outcome.Close = -37.63 })}, []side{
			entry(outcome, func(e side) { e.Outcome.Close = math.NaN() }), entry(outcome, func(e side) { e.Outcome.Close = math.Inf(-1) }),
		}},
		{"void: targets", []side{entry(void, func(e side) { e.Void.Targets = many(e.Void.Targets, 1<<20) })}, []side{
			entry(void, func(e side) { e.Void.Targets = nil }), entry(void, func(e side) { e.Void.Targets = many(e.Void.Targets, 1<<20+1) }),
			entry(void, func(e side) { e.Void.Targets = []market.Time{1, market.MaxTime + 1} }),
		}},
		{"void: reason", []side{entry(void, func(e side) { e.Void.Reason = long })}, []side{
			entry(void, func(e side) { e.Void.Reason = tooLong }), entry(void, func(e side) { e.Void.Reason = broken }),
		}},
		{"gap: span", []side{entry(gap, func(e side) { e.Gap.Span = market.Span{Start: market.MinTime, End: market.MaxTime} })}, []side{
			entry(gap, func(e side) { e.Gap.Span.End = e.Gap.Span.Start }),
			entry(gap, func(e side) { e.Gap.Span.Start = market.MinTime - 1 }), entry(gap, func(e side) { e.Gap.Span.End = market.MaxTime + 1 }),
		}},
		{"gap: counts", []side{entry(gap, func(e side) { e.Gap.Bars, e.Gap.Missed = math.MaxUint32, math.MaxUint32 })}, []side{
			entry(gap, func(e side) { e.Gap.Bars = -1 }), entry(gap, func(e side) { e.Gap.Missed = -1 }),
			entry(gap, func(e side) { e.Gap.Bars = math.MaxUint32 + 1 }), entry(gap, func(e side) { e.Gap.Missed = math.MaxUint32 + 1 }),
		}},
		{"gap: reason", []side{entry(gap, func(e side) { e.Gap.Reason = long })}, []side{
			entry(gap, func(e side) { e.Gap.Reason = tooLong }), entry(gap, func(e side) { e.Gap.Reason = broken }),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i, e := range c.sealed {
				s, err := ledger.Seal(e)
				if err != nil {
					t.Errorf("within, %d: %v", i, err)
					continue
				}
				if _, err := ledger.Decode(s.Bytes); err != nil {
					t.Errorf("within, %d, sealed and not decoded: %v", i, err)
				}
			}
			for i, e := range c.refused {
				if s, err := ledger.Seal(e); err == nil {
					t.Errorf("beyond, %d, sealed as %d bytes", i, len(s.Bytes))
				}
				// Somebody else's bytes meet the same limits, where bytes can say it at all.
				if !fits(e) {
					continue
				}
				if _, err := ledger.Decode(page(e)); !errors.Is(err, ledger.ErrMalformed) {
					t.Errorf("beyond, %d, decoded: %v", i, err)
				}
			}
		})
	}
}

// fits reports whether the counts of an entry are within their bytes, and whether it has one body.
func fits(e *ledger.Entry) bool {
	ok := e.Issue == nil || e.Gap == nil
	if e.Genesis != nil {
		ok = ok && e.Genesis.Horizons < 1<<16
	}
	if e.Issue != nil {
		for _, f := range e.Issue.Forecasts {
			ok = ok && f.Horizon < 1<<16 && len(f.Shares) < 1<<8
		}
		for _, a := range e.Issue.Abstentions {
			ok = ok && a.Horizon >= 0 && a.Horizon < 1<<16
		}
	}
	if e.Outcome != nil {
		ok = ok && e.Outcome.Revision >= 0 && e.Outcome.Revision < 1<<32
	}
	if e.Gap != nil {
		ok = ok && e.Gap.Bars >= 0 && e.Gap.Bars < 1<<32 && e.Gap.Missed >= 0 && e.Gap.Missed < 1<<32
	}
	return ok
}

func shares(n int, weight float64) []forecast.Share {
	return many([]forecast.Share{{Expert: "naive", Weight: weight}}, n)
}

func many[T any](one []T, n int) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = one[0]
	}
	return list
}

// Bytes that are cut anywhere, go on, or say something else at a place where one thing can stand
// are refused, before room is made for what they claim.
func TestDecodeRefuses(t *testing.T) {
	refused := func(t *testing.T, what string, b []byte) {
		t.Helper()
		e, err := ledger.Decode(b)
		if !errors.Is(err, ledger.ErrMalformed) || e != nil {
			t.Errorf("%s: %+v, %v", what, e, err)
		}
	}
	for n, s := range chain(t) {
		for i := range s.Bytes {
			if _, err := ledger.Decode(s.Bytes[:i]); !errors.Is(err, ledger.ErrMalformed) {
				t.Fatalf("entry %d cut at %d: %v", n+1, i, err)
			}
		}
		refused(t, "a byte more", append(bytes.Clone(s.Bytes), 0))
		for _, c := range []struct {
			what string
			at   int
			to   byte
		}{
			{"magic", 0, 'f'}, {"version 0", 4, 0}, {"version 2", 4, 2}, {"kind 0", 5, 0}, {"kind 6", 5, 6}, {"mode 0", 6, 0}, {"mode 3", 6, 3}, {"a series of 64 KiB", 7, 0xff},
		} {
			b := bytes.Clone(s.Bytes)
			b[c.at] = c.to
			refused(t, c.what, b)
		}
	}
	head := func(kind byte) []byte { // of entry 2 of series "s"
		b, _ := hex.DecodeString("46544b4c01" + hex.EncodeToString([]byte{kind}) + "01" + "000173" + "0000000000000002" + "0000000000000005")
		return append(b, make([]byte, 32)...)
	}
	for _, c := range []struct {
		what string
		b    []byte
	}{
		{"2^32-1 forecasts", append(append(head(2), make([]byte, 8+32+24+1)...), 0xff, 0xff, 0xff, 0xff)},
		{"65,535 forecasts without one", append(append(head(2), make([]byte, 8+32+24+1)...), 0, 0, 0xff, 0xff)},
		{"2^32-1 abstentions", append(append(head(2), make([]byte, 8+32+24+1+4)...), 0xff, 0xff, 0xff, 0xff)},
		{"2^32-1 targets", append(head(4), 0xff, 0xff, 0xff, 0xff)},
		{"2^20 targets without one", append(head(4), 0, 0x10, 0, 0)},
		{"a flag that is 2", page(genesis())},
	} {
		if c.b[5] == 1 {
			c.b[4+1+1+1+2+len("sim:AMZN@1s")+8+8+32] = 2
		}
		refused(t, c.what, c.b)
		if n := testing.AllocsPerRun(5, func() { _, _ = ledger.Decode(c.b) }); n > 20 {
			t.Errorf("%s: %v allocations", c.what, n)
		}
	}
}

// The digest of inputs is that of the page.
func TestDigestBar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var got ledger.Hash
		want := make([]byte, 32)
		for range rapid.IntRange(1, 3).Draw(t, "bars") {
			n := func(name string) float64 { return numbers.Draw(t, name) }
			b := market.Bar{Start: between(market.MinTime, market.MaxTime).Draw(t, "start"), End: between(market.MinTime, market.MaxTime).Draw(t, "end"),
				Open: n("open"), High: n("high"), Low: n("low"), Close: n("close"), Volume: n("volume"),
				Trades: rapid.Int64Min(0).Draw(t, "trades"), Revision: counts(math.MaxInt32).Draw(t, "revision")}
			got = ledger.DigestBar(got, &b)
			sum := sha256.New()
			sum.Write(want)
			for _, v := range []any{b.Start, b.End, b.Open, b.High, b.Low, b.Close, b.Volume, b.Trades, int64(b.Revision)} {
				if err := binary.Write(sum, binary.BigEndian, v); err != nil {
					t.Fatal(err)
				}
			}
			want = sum.Sum(nil)
		}
		if !bytes.Equal(got[:], want) {
			t.Fatalf("digest %s, want %x", got, want)
		}
	})
}

package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/foretick/foretick/ledger"
)

func lineOf(t testing.TB, s ledger.Sealed) string {
	t.Helper()
	line, err := ledger.AppendJSON(nil, s)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

// A changed digit anywhere in a line is found.
func TestEveryChangedDigitIsFound(t *testing.T) {
	for _, s := range chain(t) {
		line := []byte(lineOf(t, s))
		for i := range line {
			if line[i] < '0' || line[i] > '8' {
				continue
			}
			b := bytes.Clone(line)
			b[i]++
			if got, err := ledger.ParseJSON(b); err == nil {
				t.Fatalf("changed at %d: %s gives %+v", i, b, got)
			}
		}
	}
}

// What a line must say, and how: what is left out, of another type or not as the bytes have it is
// refused; the order of members, white space and members that nobody knows do not matter.
func TestParseJSONIsStrict(t *testing.T) {
	c := chain(t)
	lines := map[ledger.Kind]string{}
	for _, s := range c[:6] {
		lines[s.Kind] = lineOf(t, s)
	}
	for _, tc := range []struct {
		name     string
		of       ledger.Kind
		from, to string
	}{
		{"format 0", ledger.Genesis, `"format":1`, `"format":0`},
		{"format 2", ledger.Genesis, `"format":1`, `"format":2`},
		{"no format", ledger.Genesis, `"format":1,`, ``},
		{"no series", ledger.Gap, `"series":"sim:AMZN@1s",`, ``},
		{"another series", ledger.Gap, `sim:AMZN@1s`, `sim:AMZN@1m`},
		{"no mode", ledger.Gap, `"mode":"live",`, ``},
		{"another mode", ledger.Gap, `"mode":"live"`, `"mode":"replay"`},
		{"an unknown mode", ledger.Gap, `"mode":"live"`, `"mode":"Live"`},
		{"a mode by number", ledger.Gap, `"mode":"live"`, `"mode":1`},
		{"another number", ledger.Gap, `"seq":5`, `"seq":6`},
		{"a number with a fraction", ledger.Gap, `"seq":5`, `"seq":5.5`},
		{"a negative number", ledger.Gap, `"seq":5`, `"seq":-5`},
		{"a number as text", ledger.Gap, `"seq":5`, `"seq":"5"`},
		{"no kind", ledger.Gap, `"kind":"gap",`, ``},
		{"another kind", ledger.Gap, `"kind":"gap"`, `"kind":"void"`},
		{"an unknown kind", ledger.Gap, `"kind":"gap"`, `"kind":"hole"`},
		{"no time", ledger.Gap, `"at":"2023-11-14T22:13:29Z",`, ``},
		{"another time", ledger.Gap, `"at":"2023-11-14T22:13:29Z"`, `"at":"2023-11-14T22:13:29.000001Z"`},
		{"a time as number", ledger.Gap, `"at":"2023-11-14T22:13:29Z"`, `"at":1700000009`},
		{"a hash that is cut", ledger.Genesis, `"prev":"00`, `"prev":"`},
		{"a hash of other letters", ledger.Genesis, `"prev":"00`, `"prev":"0x`},
		{"no hash", ledger.Genesis, `"hash"`, `"hush"`},
		{"no body", ledger.Gap, `"gap":{`, `"gape":{`},
		{"two bodies", ledger.Gap, `"gap":{`, `"void":{"targets":["2023-11-14T22:13:29Z"],"reason":""},"gap":{`},
		{"a body that is null", ledger.Outcome, `"outcome":{`, `"outcome":null,"x":{`},
		{"no close", ledger.Outcome, `,"close":180.25`, ``},
		{"a close as text", ledger.Outcome, `"close":180.25`, `"close":"180.25"`},
		{"a close beyond what a float holds", ledger.Outcome, `"close":180.25`, `"close":1e999`},
		{"NaN", ledger.Outcome, `"close":180.25`, `"close":NaN`},
		{"a close of other bits", ledger.Outcome, `"close":180.25`, `"close":180.25000000000003`},
		{"a revision beyond the bytes", ledger.Outcome, `"revision":0`, `"revision":4294967296`},
		{"a bar the wrong way round", ledger.Outcome, `"bar":{"start":`, `"bar":{"end":`},
		{"no targets", ledger.Void, `"targets":[`, `"targets":[],"x":[`},
		{"one target less", ledger.Void, `"targets":["2023-11-14T22:13:22Z",`, `"targets":[`},
		{"no quantiles", ledger.Issue, `"quantiles"`, `"fractiles"`},
		{"one quantile less", ledger.Issue, `"quantiles":[180,`, `"quantiles":[`},
		{"quantiles that cross", ledger.Issue, `"quantiles":[180,`, `"quantiles":[190,`},
		{"no point", ledger.Issue, `"point":180.2,`, ``},
		{"a forecast that is not late", ledger.Issue, `"late":true`, `"late":false`},
		{"a share more", ledger.Issue, `"point":180.2,`, `"point":180.2,"shares":[{"expert":"naive","weight":1}],`},
		{"no abstentions", ledger.Issue, `"abstentions":[`, `"abstentions":[],"x":[`},
		{"another volatility", ledger.Issue, `"volatility":0`, `"volatility":1`},
		{"another regime", ledger.Issue, `"inputs":"01`, `"inputs":"11`},
		{"no object", ledger.Gap, `{"format"`, `["format"`},
		{"it is cut", ledger.Gap, `}}`, `}`},
		{"something follows", ledger.Gap, `}}`, `}}{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			line := strings.Replace(lines[tc.of], tc.from, tc.to, 1)
			if line == lines[tc.of] {
				t.Fatalf("%s is not in %s", tc.from, line)
			}
			var bad *ledger.BadEntry
			s, err := ledger.ParseJSON([]byte(line))
			if !errors.Is(err, ledger.ErrMalformed) && !errors.As(err, &bad) {
				t.Errorf("error %v", err)
			}
			if s.Bytes != nil || s.Hash != (ledger.Hash{}) {
				t.Errorf("it gives %+v", s)
			}
		})
	}
	for k, line := range lines {
		var members map[string]json.RawMessage // which Go writes in the order of their names
		if err := json.Unmarshal([]byte(line), &members); err != nil {
			t.Fatal(err)
		}
		members["remark"] = json.RawMessage(`{"nobody":"knows"}`)
		other, err := json.MarshalIndent(members, " ", "\t")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ledger.ParseJSON(other)
		if err != nil {
			t.Fatalf("%s: %v", other, err)
		}
		if lineOf(t, got) != line || got.Kind != k {
			t.Errorf("%s came back as %s", line, lineOf(t, got))
		}
	}
}

// AppendJSON adds to what is there, and leaves it when the bytes are no entry.
func TestAppendJSONRefuses(t *testing.T) {
	got, err := ledger.AppendJSON([]byte("before"), ledger.Sealed{Bytes: []byte("FTKL")})
	if !errors.Is(err, ledger.ErrMalformed) || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
}

// Names of kinds and modes, and hashes, are read as they are written, and nothing else is.
func TestTexts(t *testing.T) {
	for k := ledger.Genesis; k <= ledger.Gap; k++ {
		b, err := k.MarshalText()
		var again ledger.Kind
		if err != nil || again.UnmarshalText(b) != nil || again != k {
			t.Errorf("kind %d is %q, %v, read as %d", k, b, err, again)
		}
	}
	for m := ledger.Live; m <= ledger.Replay; m++ {
		b, err := m.MarshalText()
		var again ledger.Mode
		if err != nil || again.UnmarshalText(b) != nil || again != m {
			t.Errorf("mode %d is %q, %v, read as %d", m, b, err, again)
		}
	}
	for _, s := range []string{"", "Gap", "gap ", "unknown(0)", "unknown(6)", strings.Repeat("gap", 100)} {
		var k ledger.Kind
		var m ledger.Mode
		if err := k.UnmarshalText([]byte(s)); err == nil || len(err.Error()) > 100 {
			t.Errorf("kind %.20q: %v", s, err)
		}
		if err := m.UnmarshalText([]byte(s)); err == nil || len(err.Error()) > 100 {
			t.Errorf("mode %.20q: %v", s, err)
		}
	}
	if got := ledger.Kind(0).String() + ledger.Kind(6).String() + ledger.Mode(9).String(); got != "unknown(0)unknown(6)unknown(9)" {
		t.Errorf("numbers without a name are %s", got)
	}
	h := ledger.Hash{0xab, 1}
	var again ledger.Hash
	if err := again.UnmarshalText([]byte(strings.ToUpper(h.String()))); err != nil || again != h {
		t.Errorf("%s is read as %s, %v", h, again, err)
	}
	for _, s := range []string{"", h.String()[1:], h.String() + "0", strings.Repeat("g", 64)} {
		if err := again.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is a hash", s)
		}
	}
}

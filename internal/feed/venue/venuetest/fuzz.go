package venuetest

import (
	"errors"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

// FuzzDecode fuzzes the frames of a venue: whatever comes, there is no panic, an error is not
// long, and what is read names a symbol.
func FuzzDecode(f *testing.F, a venue.Adapter, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var b venue.Batch
		if err := a.Decode(frame, &b); err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("a long error: %.2000v", err)
			}
			return
		}
		for _, u := range b.Bars {
			if u.Bar.Validate(false) == nil && u.Bar.End <= u.Bar.Start {
				t.Fatalf("%+v", u)
			}
		}
	})
}

// FuzzRead fuzzes the answers of a venue about a series: bars that are fit are in order and on
// the interval's grid of lengths.
func FuzzRead(f *testing.F, a venue.Adapter, symbol string, i market.Interval, seeds ...string) {
	inst, err := a.Instrument(symbol)
	if err != nil {
		f.Fatal(err)
	}
	series := market.Series{Instrument: inst, Interval: i}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := a.Read(series, body)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("a long error: %.2000v", err)
			}
			return
		}
		for _, b := range p.Bars {
			if b.Validate(false) == nil && b.End != i.End(b.Start) {
				t.Fatalf("%+v is no bar of %s", b, i)
			}
		}
	})
}

// Refused checks that an answer is an error whose words say so, and whether asking again is of
// no use.
func Refused(t *testing.T, a venue.Adapter, symbol string, i market.Interval, body, words string, final bool) {
	t.Helper()
	inst, err := a.Instrument(symbol)
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Read(market.Series{Instrument: inst, Interval: i}, []byte(body))
	if err == nil || errors.Is(err, feed.ErrFinal) != final || !strings.Contains(err.Error(), words) {
		t.Errorf("%.100s: %v, want %q, final %t", body, err, words, final)
	}
}

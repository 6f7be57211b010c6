package csv_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
)

// anyBars draws bars that a market could have made, wild prices included.
func anyBars(t *rapid.T, i market.Interval) []market.Bar {
	price := rapid.Custom(func(t *rapid.T) float64 {
		return math.Abs(rapid.OneOf(
			rapid.Float64Range(0.01, 1e5), rapid.Float64Range(5e-324, 1e-9), rapid.Float64Range(1e15, math.MaxFloat64)).Draw(t, "price"))
	})
	at := i.Floor(market.Time(rapid.Int64Range(-2_000_000_000_000_000, 4_000_000_000_000_000).Draw(t, "first")))
	at += market.Time(rapid.Int64Range(0, 999_999).Draw(t, "off the grid"))
	var out []market.Bar
	for range rapid.IntRange(0, 30).Draw(t, "n") {
		p := [...]float64{price.Draw(t, "p"), price.Draw(t, "p"), price.Draw(t, "p"), price.Draw(t, "p")}
		b := market.Bar{
			Start: at, End: i.End(at), Open: p[0], Close: p[1],
			High: max(p[0], p[1], p[2], p[3]), Low: min(p[0], p[1], p[2], p[3]),
			Volume: rapid.Float64Range(0, 1e12).Draw(t, "volume"),
		}
		out = append(out, b)
		for range rapid.IntRange(1, 4).Draw(t, "next") {
			at = i.End(at)
		}
	}
	return out
}

// What is written reads back the same, to the last bit.
func TestWriteReadsBack(t *testing.T) {
	intervals := []market.Interval{market.Second, market.Minute, market.Hour, market.Day, market.MustInterval("1w"), market.MustInterval("1mo")}
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.SampledFrom(intervals).Draw(t, "interval")
		want := anyBars(t, i)
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		cut := rapid.IntRange(0, len(want)).Draw(t, "cut")
		if err := errors.Join(w.Write(want[:cut]), w.Write(want[cut:]), w.Flush()); err != nil {
			t.Fatal(err)
		}
		var whole bytes.Buffer
		if err := csv.Write(&whole, want); err != nil || !bytes.Equal(whole.Bytes(), b.Bytes()) {
			t.Fatalf("%v; Write gives other text than a Writer", err)
		}
		f, err := csv.ReadFrom(t.Context(), &b, "T.csv", csv.Options{Interval: i})
		if len(want) == 0 {
			if !errors.Is(err, csv.ErrNoRows) {
				t.Fatalf("no bars: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, f.Bars); d != "" || f.Refused != 0 {
			t.Fatalf("%d refused; (-written +read):\n%s", f.Refused, d)
		}
	})
}

// The order of rows, blank lines, line ends and bad rows between them change nothing.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bars := anyBars(t, market.Minute)
		if len(bars) == 0 {
			return
		}
		var b bytes.Buffer
		if err := csv.Write(&b, bars); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		rows := rapid.Permutation(lines[1:]).Draw(t, "rows")
		junk := rapid.SampledFrom([]string{"", "{", `"code": "Unauthorized",`, `"`, ",,,,,", "2024-01-02", csv.Header, `2024-01-02,1,1,1,"1,1`, "\xff\x00"})
		text, bad := lines[0]+"\n", 0
		for _, row := range rows {
			if j := junk.Draw(t, "junk"); j != "" {
				text += j + "\r\n"
				bad++
			}
			text += row + rapid.SampledFrom([]string{"\n", "\r\n", "\n\n"}).Draw(t, "end")
		}
		f, err := csv.ReadFrom(t.Context(), strings.NewReader(text), "T.csv", csv.Options{Interval: market.Minute})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(bars, f.Bars); d != "" || f.Refused != bad || f.Rows != len(bars)+bad {
			t.Fatalf("%d of %d rows refused, %d were bad; (-want +got):\n%s", f.Refused, f.Rows, bad, d)
		}
	})
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestWriteFails(t *testing.T) {
	if err := csv.Write(full{}, []market.Bar{{Start: 1, End: 2}}); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("error %v", err)
	}
	if err := csv.Write(full{}, make([]market.Bar, 10_000)); err == nil {
		t.Error("no error of a long write")
	}
}

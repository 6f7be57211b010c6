package csv_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
)

func when(t testing.TB, s string) market.Time {
	t.Helper()
	at, err := market.ParseTime(s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestReadActions(t *testing.T) {
	text := "# of Apple\nex,kind,value\n2014-06-09,split,7:1\n\n2012-08-09,Dividend,2.65\n2020-08-31T13:30:00Z,split,4\n2000-01-03,split,1:10\n2020-08-31T13:30:00Z,dividend,0.2\n"
	want := []market.Action{
		{Ex: when(t, "2000-01-03"), Kind: market.Split, Ratio: 0.1, Source: "a.csv"},
		{Ex: when(t, "2012-08-09"), Kind: market.Dividend, Amount: 2.65, Source: "a.csv"},
		{Ex: when(t, "2014-06-09"), Kind: market.Split, Ratio: 7, Source: "a.csv"},
		{Ex: when(t, "2020-08-31T13:30:00Z"), Kind: market.Split, Ratio: 4, Source: "a.csv"},
		{Ex: when(t, "2020-08-31T13:30:00Z"), Kind: market.Dividend, Amount: 0.2, Source: "a.csv"},
	}
	shuffled := "\ufeffValue, note, Kind, Ex\n7:1,,split,2014-06-09\n2.65,special,dividend,2012-08-09\n4,x,split,2020-08-31T13:30:00Z\n1:10,,split,2000-01-03\n0.2,,dividend,2020-08-31T13:30:00Z\n"
	for _, text := range []string{text, strings.ReplaceAll(text, "\n", "\r\n"), shuffled, zip(text)} {
		got, err := csv.ReadActionsFrom(strings.NewReader(text), "a.csv")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
}

func TestReadActionsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "a.csv: the first line must be ex,kind,value",
		"time,close\n2024-01-02,3\n":          `the first line is "time,close"`,
		"ex,kind,value\n":                     "no row",
		"ex,kind,value\n2024-13-02,split,2\n": `line 2: ex "2024-13-02"`,
		"ex,kind,value\n2024-01-02,split,2\n2024-01-03,merger,2\n":     `line 3: kind "merger"; write split or dividend`,
		"ex,kind,value\n2024-01-02,split,two\n":                        `line 2: value "two" of a split`,
		"ex,kind,value\n2024-01-02,split,2:x\n":                        `line 2: value "2:x" of a split`,
		"ex,kind,value\n2024-01-02,split,0\n":                          "line 2: a split of 0 new shares",
		"ex,kind,value\n2024-01-02,split,1:0\n":                        "line 2: a split of +Inf new shares",
		"ex,kind,value\n2024-01-02,dividend,NaN\n":                     "line 2: a dividend of NaN",
		"ex,kind,value\n2024-01-02,dividend,-1\n":                      "line 2: a dividend of -1",
		"ex,kind,value\n2024-01-02,split\n":                            "line 2: 2 columns",
		"ex,kind,value\n2024-01-02,dividend,1\n2024-01-02,dividend,1":  "line 3: line 2 has a dividend of the same day already; add the two up",
		"ex,kind,value\n2024-01-02,split,2\n\n2024-01-02,split,2":      "line 4: line 2 has a split of the same day already; multiply the two",
		"ex,kind,value\n2024-01-02,\"split,2\n":                        "line 2",
		"ex,kind,value\nx,split,2\n2024-01-02,split,2\ny,split,2\n":    "line 4: ex",
		"PK\x03\x04ex,kind,value\n":                                    "unpack it",
		"ex,kind,value\n" + strings.Repeat("x,split,2\n", 9):           "line 6",
		"ex,kind,value\n2024-01-02,split,2\n\"2024-01-03\"x,split,2\n": "line 3",
	} {
		got, err := csv.ReadActionsFrom(strings.NewReader(text), "a.csv")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "line 8") || len(got) > 0 {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
		if err != nil && !errors.Is(err, csv.ErrActions) && !errors.Is(err, csv.ErrFormat) {
			t.Errorf("%q: %v is of no kind", text, err)
		}
	}
}

// FuzzReadActions checks what must hold of any input: no panic, only valid actions in
// order, no day twice, and that they survive being written and read.
func FuzzReadActions(f *testing.F) {
	f.Add("ex,kind,value\n2014-06-09,split,7:1\n2012-08-09,dividend,2.65\n")
	f.Add("value;kind;ex\n")
	f.Add(zip("ex,kind,value\n2014-06-09T09:30:00-04:00,split,1:8\n"))
	f.Add("\ufeffkind,ex,value,value\nsplit,2014-06-09,0x1p-2,\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := csv.ReadActionsFrom(strings.NewReader(text), "in")
		if err != nil {
			if len(list) > 0 {
				t.Fatal("an error and actions")
			}
			return
		}
		var b strings.Builder
		b.WriteString("ex,kind,value\n")
		for i, a := range list {
			if err := a.Validate(); err != nil {
				t.Fatal(err)
			}
			if i > 0 && list[i-1].Ex > a.Ex {
				t.Fatal("not in order")
			}
			fmt.Fprintf(&b, "%s,%s,%v\n", a.Ex, a.Kind, math.Max(a.Ratio, a.Amount))
		}
		again, err := csv.ReadActionsFrom(strings.NewReader(b.String()), "in")
		if err != nil || !slices.Equal(again, list) {
			t.Fatalf("%v, %v, want %v", again, err, list)
		}
	})
}

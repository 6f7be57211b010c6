package archive_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/archive"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

var formats = []archive.Format{archive.Parquet, archive.CSV, archive.JSONL}

// metaOf describes a file of series sim:A@1s.
func metaOf(k archive.Kind) *archive.Meta {
	return &archive.Meta{Schema: archive.Schema, Kind: k, CreatedBy: "test", Series: store.SeriesRecord{
		Series: market.Series{Instrument: market.Instrument{Symbol: "A", Venue: "sim", Class: market.Equity, Currency: "USD", PriceScale: 2, Calendar: "24x7", Simulated: true}, Interval: market.Second},
		Mode:   ledger.Live, Source: "sim", Base: true,
	}}
}

// encode writes rows in several calls.
func encode[R archive.Row](t fataler, f archive.Format, m *archive.Meta, rows []R) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.NewWriter[R](&out, f, m)
	check(t, err)
	check(t, w.Write(rows[:len(rows)/2]))
	check(t, w.Write(rows[len(rows)/2:]))
	check(t, w.Close())
	return out.Bytes()
}

func open(b []byte, f archive.Format, m *archive.Meta) (*archive.Input, error) {
	return archive.Open(bytes.NewReader(b), "file."+string(f), int64(len(b)), m)
}

func decode[R archive.Row](t fataler, f archive.Format, m *archive.Meta, b []byte) (rows []R) {
	t.Helper()
	in, err := open(b, f, m)
	check(t, err)
	check(t, archive.Each(context.Background(), in, func(r *R) error { rows = append(rows, *r); return nil }))
	if !reflect.DeepEqual(in.Meta, *m) {
		t.Fatalf("meta %+v, want %+v", in.Meta, *m)
	}
	return rows
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func check(t fataler, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// floats are doubles of every kind but infinities, which no table holds; NaN where nan.
func floats(nan bool) *rapid.Generator[float64] {
	special := []float64{0, math.Copysign(0, -1), math.SmallestNonzeroFloat64, math.MaxFloat64, -math.MaxFloat64, 1e21, 1e-9, 0.1, 162.770004}
	if nan {
		special = append(special, math.NaN())
	}
	return rapid.OneOf(rapid.SampledFrom(special), rapid.Map(rapid.Uint64(), func(bits uint64) float64 {
		if v := math.Float64frombits(bits); !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
		return float64(bits)
	}), rapid.Map(rapid.IntRange(1, 40), func(i int) float64 { return float64(i) / 4 }))
}

var (
	times  = rapid.OneOf(rapid.Int64Range(int64(market.MinTime), int64(market.MaxTime)), rapid.Int64Range(1_700_000_000_000_000, 1_700_000_100_000_000))
	values = map[reflect.Type]func(*rapid.T, string) any{
		reflect.TypeFor[market.Time](): func(t *rapid.T, name string) any { return market.Time(times.Draw(t, name)) },
		reflect.TypeFor[string]():      func(t *rapid.T, name string) any { return rapid.StringN(0, 8, 24).Draw(t, name) },
		reflect.TypeFor[bool]():        func(t *rapid.T, name string) any { return rapid.Bool().Draw(t, name) },
		reflect.TypeFor[uint64]():      func(t *rapid.T, name string) any { return rapid.Uint64().Draw(t, name) },
		reflect.TypeFor[int64]():       func(t *rapid.T, name string) any { return rapid.Int64().Draw(t, name) },
		reflect.TypeFor[float64]():     func(t *rapid.T, name string) any { return floats(true).Draw(t, name) },
	}
)

// draw makes rows of any values that their columns can hold.
func draw[R archive.Row](t *rapid.T) []R {
	rows := make([]R, rapid.IntRange(0, 80).Draw(t, "rows"))
	few := min(len(rows), rapid.IntRange(0, 6).Draw(t, "different rows"))
	for i := range few {
		v := reflect.ValueOf(&rows[i]).Elem()
		for k := range v.NumField() {
			f := v.Type().Field(k)
			v.Field(k).Set(reflect.ValueOf(values[f.Type](t, f.Name)))
		}
	}
	for i := few; i < len(rows) && few > 0; i++ {
		rows[i] = rows[i*7%few]
	}
	return rows
}

func sameBits(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		if v, w := x.Field(i), y.Field(i); v.Kind() == reflect.Float64 {
			if math.Float64bits(v.Float()) != math.Float64bits(w.Float()) {
				return false
			}
		} else if v.Interface() != w.Interface() {
			return false
		}
	}
	return true
}

func roundTrip[R archive.Row](t *testing.T, k archive.Kind) {
	for _, f := range formats {
		t.Run(string(k)+"/"+string(f), rapid.MakeCheck(func(t *rapid.T) {
			rows, m := draw[R](t), metaOf(k)
			got := decode[R](t, f, m, encode(t, f, m, rows))
			if len(got) != len(rows) {
				t.Fatalf("%d rows, want %d", len(got), len(rows))
			}
			for i := range rows {
				want := rows[i]
				if f == archive.CSV {
					want = asText(want)
				}
				if !sameBits(got[i], want) {
					t.Fatalf("row %d is %+v, want %+v", i, got[i], want)
				}
			}
		}))
	}
}

// asText is what CSV keeps of a text: line ends are alike in it.
func asText[R archive.Row](r R) R {
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.String {
			v.Field(i).SetString(string(bytes.ReplaceAll([]byte(v.Field(i).String()), []byte("\r\n"), []byte("\n"))))
		}
	}
	return r
}

// TestRoundTrip writes rows of all values and reads the same bits back.
func TestRoundTrip(t *testing.T) {
	roundTrip[archive.BarRow](t, archive.Bars)
	roundTrip[archive.TickRow](t, archive.Ticks)
	roundTrip[archive.ScoreRow](t, archive.Scores)
}

var errStop = errors.New("stop")

// An error of the caller ends the reading and comes back as it is.
func TestStop(t *testing.T) {
	for _, f := range formats {
		m := metaOf(archive.Ticks)
		in, err := open(encode(t, f, m, make([]archive.TickRow, 10)), f, m)
		check(t, err)
		n := 0
		err = archive.Each(t.Context(), in, func(*archive.TickRow) error { n++; return errStop })
		if !errors.Is(err, errStop) || errors.Is(err, archive.ErrFormat) || n != 1 {
			t.Errorf("%s: %v after %d rows", f, err, n)
		}
	}
}

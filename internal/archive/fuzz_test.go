package archive_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/foretick/foretick/internal/archive"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// samples are small files of every kind in a format.
func samples(t fataler, f archive.Format) map[archive.Kind][]byte {
	bars := walk(300)
	for i := range bars {
		bars[i].Backfill = i%7 == 0
	}
	ticks := make([]archive.TickRow, 100)
	for i := range ticks {
		ticks[i] = archive.TickRow{Series: "sim:A@1s", Time: market.Time(i), Price: float64(i) / 7, Size: 1, Seq: uint64(i)}
	}
	var scores []archive.ScoreRow
	for i := range 40 {
		scores = append(scores, archive.ScoreRow{Series: "sim:A@1s", Model: storetest.Model(i % 3), Version: "1", Horizon: 1, CRPS: float64(i) / 3})
	}
	var out bytes.Buffer
	w, err := archive.NewEntryWriter(&out, f, metaOf(archive.Ledger))
	check(t, err)
	c := storetest.Chain{ID: "sim:A@1s", Mode: ledger.Live}
	for _, s := range []ledger.Sealed{c.Genesis(), c.Issue(0, 2, 2), c.Outcome(1, 0), c.Issue(1, 3, 1)} {
		check(t, w.Write(s))
	}
	check(t, w.Close())
	return map[archive.Kind][]byte{
		archive.Bars: encode(t, f, metaOf(archive.Bars), bars), archive.Ticks: encode(t, f, metaOf(archive.Ticks), ticks),
		archive.Scores: encode(t, f, metaOf(archive.Scores), scores), archive.Ledger: out.Bytes(),
	}
}

// read reads a file of any kind, whatever it is, at most limit rows of it.
func read(b []byte, f archive.Format, k archive.Kind, limit int) (rows int, err error) {
	in, err := open(b, f, metaOf(k))
	if err != nil {
		return 0, err
	}
	return readInput(in, limit)
}

func readInput(in *archive.Input, limit int) (rows int, err error) {
	more := func() error {
		if rows++; rows > limit {
			return errStop
		}
		return nil
	}
	switch in.Meta.Kind {
	case archive.Bars:
		err = archive.Each(context.Background(), in, func(r *archive.BarRow) error { _, _ = r.Record(); return more() })
	case archive.Ticks:
		err = archive.Each(context.Background(), in, func(r *archive.TickRow) error { _, _ = r.Tick(); return more() })
	case archive.Scores:
		err = archive.Each(context.Background(), in, func(r *archive.ScoreRow) error { _, _ = r.Score(); return more() })
	case archive.Ledger:
		var v ledger.Verifier
		bad := false
		err = archive.EachEntry(context.Background(), in, func(s ledger.Sealed) error {
			bad = bad || v.Add(s) != nil
			return more()
		})
	}
	return rows, err
}

// rounds is n, or less of the same where the race detector watches.
func rounds(n int) int {
	if testdata.Race {
		return n / 8
	}
	return n
}

// known says that an error is one of those that readers promise.
func known(err error) bool {
	return err == nil || errors.Is(err, archive.ErrFormat) || errors.Is(err, archive.ErrTooLarge) || errors.Is(err, errStop)
}

// most is what a reader may allocate for a file of some kilobytes, over all its life.
const most = 512 << 20

func fuzz(f *testing.F, format archive.Format) {
	for _, b := range samples(f, format) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, k := range archive.Kinds {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := read(b, format, k, 100_000)
			runtime.ReadMemStats(&after)
			if !known(err) {
				t.Errorf("%s: %v", k, err)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > most {
				t.Errorf("%s: %d bytes were allocated for a file of %d", k, n, len(b))
			}
			if format == archive.Parquet {
				break // it says itself what it is
			}
		}
	})
}

func FuzzParquet(f *testing.F) { fuzz(f, archive.Parquet) }
func FuzzCSV(f *testing.F)     { fuzz(f, archive.CSV) }
func FuzzJSONL(f *testing.F)   { fuzz(f, archive.JSONL) }

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schema":1,"created_by":"x","files":[{"name":"a.csv","format":"csv","rows":1,"bytes":2,"sha256":"00","schema":1,"kind":"bars","series":{"instrument":{"symbol":"A","venue":"sim"},"interval":"1s","Mode":"live"}}]}`))
	f.Add([]byte(`{"schema":1,"files":[{"name":"../a"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := archive.ParseManifest(b)
		if !known(err) {
			t.Error(err)
		}
		if err == nil {
			for _, e := range m.Files {
				if bytes.ContainsAny([]byte(e.Name), `/\`) || e.Name == ".." {
					t.Errorf("the name %q leaves the folder", e.Name)
				}
			}
		}
	})
}

// TestDamaged reads files in which bytes were changed, cut or put in: each is read, or refused
// with an error that says so.
func TestDamaged(t *testing.T) {
	t.Parallel()
	for _, f := range formats {
		r := rand.New(rand.NewPCG(7, uint64(len(f))))
		for k, whole := range samples(t, f) {
			if n, err := read(whole, f, k, 1<<20); err != nil || n == 0 {
				t.Fatalf("%s %s: %d rows, %v", k, f, n, err)
			}
			refused := 0
			for range rounds(120) {
				b := bytes.Clone(whole)
				for range 1 + r.IntN(3) {
					at := r.IntN(len(b))
					if f == archive.Parquet && r.IntN(2) == 0 {
						at = len(b) - 1 - r.IntN(min(len(b), 1500)) // the footer decides most
					}
					switch r.IntN(4) {
					case 0:
						b[at] ^= 1 << r.IntN(8)
					case 1:
						b[at] = 0xff
					case 2:
						b = b[:at+1]
					case 3:
						b = append(b[:at:at], append([]byte{0xff, 0xff, 0xff, 0x7f}, b[at:]...)...)
					}
				}
				_, err := read(b, f, k, 1<<20)
				if !known(err) {
					t.Fatalf("%s %s: %v", k, f, err)
				}
				if err != nil {
					refused++
				}
			}
			if refused == 0 {
				t.Errorf("%s %s: no damage was noticed", k, f)
			}
		}
	}
}

// TestColumnsMustAgree changes what a row says beside the sealed bytes.
func TestColumnsMustAgree(t *testing.T) {
	b := samples(t, archive.CSV)[archive.Ledger]
	for _, c := range [][2]string{{",naive,", ",drift,"}, {"outcome", "void"}, {"\"[9", "\"[8"}} {
		changed := bytes.Replace(b, []byte(c[0]), []byte(c[1]), 1)
		if bytes.Equal(changed, b) {
			t.Fatalf("%q is not there", c[0])
		}
		if _, err := read(changed, archive.CSV, archive.Ledger, 100); !errors.Is(err, archive.ErrFormat) {
			t.Errorf("%q as %q: %v", c[0], c[1], err)
		}
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	for what, cut := range map[string]int{"a row in the middle": 3, "the last row": len(lines) - 2, "the first row of an entry": 2} {
		left := bytes.Join(append(append([][]byte{}, lines[:cut]...), lines[cut+1:]...), nil)
		if _, err := read(left, archive.CSV, archive.Ledger, 100); !errors.Is(err, archive.ErrFormat) {
			t.Errorf("without %s: %v", what, err)
		}
	}
}

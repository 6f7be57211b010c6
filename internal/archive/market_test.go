package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/archive"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// stretch is a part of a series of the repository's own, in which something happens.
type stretch struct {
	file     string
	from, to int // bars
	actions  string
}

// stretches are named after what happens in them.
var stretches = map[string]stretch{
	"prices of 1e-9":             {file: "close_only/DUST.csv", from: 1000, to: 1200},
	"a price below zero":         {file: "close_only/OIL.csv", from: 1850, to: 1990},
	"a flat price":               {file: "daily/COIN.csv", from: 1000, to: 1120},
	"gaps":                       {file: "daily/COIN.csv", from: 180, to: 330},
	"splits, one without a word": {file: "daily/SPLIT.csv", from: 560, to: 700, actions: "daily/SPLIT_actions.csv"},
	"a halt in the session":      {file: "intraday/STOCK_1m.csv", from: 1200, to: 1330},
}

// abstaining is a model that cannot forecast now and then, and says so in odd words.
type abstaining struct{ naive.Model }

func (abstaining) Name() string { return "odd, \"quoted\"" }

func (m abstaining) Fit(context.Context, forecast.Window) (forecast.Fitted, error) { return m, nil }

func (abstaining) Predict(w forecast.Window, _ int) (p forecast.Prediction, err error) {
	if w.Len()%3 == 0 {
		return p, errors.New(" two\r\nlines, \"quoted\";\tnull, NaN, [1] €")
	}
	for i := range p.Quantiles {
		p.Quantiles[i] = float64(i-forecast.Q50) / 1e3
	}
	return p, nil
}

// followed fills a new series of s with a stretch that a live track has followed: the clock stands
// now and then, so forecasts are late or missed; every seventh bar comes again, with another close.
func followed(t testing.TB, s store.Store, name string) market.SeriesID {
	t.Helper()
	ctx := t.Context()
	part := stretches[name]
	f, err := csv.Read(ctx, testdata.Market(t, part.file), csv.Options{Instrument: market.Instrument{AllowNonPositive: true}})
	check(t, err)
	if part.actions != "" {
		f.Actions, err = csv.ReadActions(testdata.Market(t, part.actions))
		check(t, err)
	}
	f.Series.Instrument.Symbol = strings.ReplaceAll(name, " ", "_")
	rec := store.SeriesRecord{Series: f.Series, Mode: ledger.Live, Source: "file", Base: true}
	check(t, s.PutSeries(ctx, rec))
	id := rec.ID()
	quick := naive.New()
	quick.Least = 3
	tr, err := track.New(track.Config{Series: f.Series, Mode: ledger.Live, Horizons: track.UpTo(3), Window: 64, Models: []forecast.Forecaster{quick, abstaining{}}, LateAfter: 2 * time.Millisecond})
	check(t, err)
	var recs []store.BarRecord
	for i, b := range f.Bars[part.from:part.to] {
		recs = append(recs, store.BarRecord{Series: id, Bar: b, Backfill: i < 10, AfterGap: i%40 == 39})
		if i > 10 && i%7 == 0 {
			again := f.Bars[part.from+i-1]
			again.Revision, again.Close = 1, again.Low
			recs = append(recs, store.BarRecord{Series: id, Bar: again})
		}
	}
	_, last, err := s.CommitBars(ctx, recs)
	check(t, err)
	step := store.Step{Series: id, Cursor: store.Cursor{BarSeq: last}}
	for i, r := range recs {
		now := r.End + 1000
		if i%9 == 4 {
			now += (r.End - r.Start) * market.Time(1+i%3) * 3 / 4
		}
		res, err := tr.Advance(ctx, track.Input{Bar: r.Bar, Backfill: r.Backfill, AfterGap: r.AfterGap, Splits: f.Actions}, now)
		check(t, err)
		step.Entries, step.Scores = append(step.Entries, res.Entries...), append(step.Scores, res.Scores...)
	}
	step.Cursor.Inputs = tr.Inputs()
	_, err = s.CommitStep(ctx, step)
	check(t, err)
	return id
}

// TestMarket takes stretches of series through every format to another store and back into a third:
// bars, ledger and scores are the same to the last bit, and the chain goes on from there.
func TestMarket(t *testing.T) {
	t.Parallel()
	happened := map[string]int{}
	count := func(what string, is bool) {
		if is {
			happened[what]++
		}
	}
	from := stores["sqlite"](t)
	want := map[string]held{}
	for name := range stretches {
		h := holds(t, from, followed(t, from, name))
		want[name] = h
		for i := range h.Log {
			count("a bar below zero", h.Log[i].Low < 0)
			count("a bar of 1e-9", h.Log[i].Close > 0 && h.Log[i].Close < 1e-7)
			count("a revision", h.Log[i].Revision > 0)
			count("a bar after a gap", h.Log[i].AfterGap)
		}
		for i := range h.Entries {
			e, err := ledger.Decode(h.Entries[i].Bytes)
			check(t, err)
			count(h.Entries[i].Kind.String(), true)
			count("a revised outcome", e.Outcome != nil && e.Outcome.Revision > 0)
			count("a void across a split", e.Void != nil && e.Void.Reason != "absent" && e.Void.Reason != "gap")
			if e.Issue != nil {
				count("an abstention", len(e.Issue.Abstentions) > 0)
				count("a forecast in time", slices.ContainsFunc(e.Issue.Forecasts, func(f forecast.Forecast) bool { return !f.Late }))
				count("a late forecast", slices.ContainsFunc(e.Issue.Forecasts, func(f forecast.Forecast) bool { return f.Late }))
			}
		}
		count("a score", len(h.Scores) > 0)
	}
	for _, what := range []string{"a bar below zero", "a bar of 1e-9", "a revision", "a bar after a gap", "genesis", "issue", "outcome", "void", "gap", "a revised outcome", "a void across a split",
		"an abstention", "a forecast in time", "a late forecast", "a score"} {
		if happened[what] == 0 {
			t.Errorf("the stretches hold no such thing as %s: %v", what, happened)
		}
	}
	for _, f := range formats[:1+rounds(8)/4] { // the first alone where the race detector watches
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			there, back := stores["sqlite"](t), stores["sqlite"](t)
			for name := range stretches {
				h := want[name]
				copyAll(t, from, there, h.Record, f)
				copyAll(t, there, back, h.Record, f)
				for where, s := range map[string]store.Store{"there": there, "back": back} {
					if got := holds(t, s, h.Record.ID()); !reflect.DeepEqual(got, h) {
						t.Errorf("%s, %s: %d bars, %d entries, %d scores, or they differ", name, where, len(got.Log), len(got.Entries), len(got.Scores))
					}
				}
			}
		})
	}
}

// TestCutAnywhere cuts every file of a folder at many places. Its manifest finds all of them; of what
// is read in spite of it, a Parquet file is refused, and a ledger is imported whole or not at all.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	from := stores["sqlite"](t)
	followed(t, from, "gaps")
	series, err := from.Series(t.Context())
	check(t, err)
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(5, uint64(len(f))))
			dir := t.TempDir()
			e := archive.Export{Store: from, Format: f, CreatedBy: "test"}
			check(t, e.ToFolder(t.Context(), dir, series, archive.Kinds, nil))
			files, err := archive.Find(dir)
			check(t, err)
			if len(files) != 3 {
				t.Fatalf("%d files", len(files))
			}
			for _, file := range files {
				whole, err := os.ReadFile(file.Path)
				check(t, err)
				cuts := []int{0, 1, 4, 8, len(whole) / 2, len(whole) - 9, len(whole) - 8, len(whole) - 4, len(whole) - 1}
				for range rounds(20) {
					at := dice.IntN(len(whole))
					cuts = append(cuts, at)
					if end := bytes.IndexByte(whole[at:], '\n'); end >= 0 {
						cuts = append(cuts, at+end+1) // between two rows of text
					}
				}
				for _, at := range cuts {
					if at >= len(whole) || at == len(whole)-1 && f != archive.Parquet { // of a text nothing but the last line end is gone
						continue
					}
					check(t, os.WriteFile(file.Path, whole[:at], 0o644))
					if err := file.Verify(); !errors.Is(err, archive.ErrFormat) {
						t.Fatalf("%s cut at %d of %d: %v", file.Entry.Name, at, len(whole), err)
					}
					cutIsRefused(t, file, whole[:at], f)
				}
				check(t, os.WriteFile(file.Path, whole, 0o644))
				check(t, file.Verify())
			}
		})
	}
}

// cutIsRefused reads the beginning of a file as if nobody had verified it.
func cutIsRefused(t *testing.T, file archive.File, b []byte, f archive.Format) {
	t.Helper()
	in, err := open(b, f, &file.Entry.Meta)
	if err == nil && file.Entry.Kind == archive.Ledger {
		var v ledger.Verifier
		if err = archive.EachEntry(t.Context(), in, v.Add); err == nil && v.Head() == file.Entry.Head() {
			t.Fatalf("a ledger of %d bytes that was cut is whole", len(b))
		}
		err = nil
	} else if err == nil {
		_, err = read(b, f, file.Entry.Kind, 1<<20)
	}
	if f == archive.Parquet && err == nil || !known(err) {
		t.Fatalf("%d bytes of %s: %v", len(b), file.Entry.Name, err)
	}
}

// TestDamagedLedger changes bytes of a ledger: what is handed over in spite of it and follows the
// rules of the chain is what was sealed.
func TestDamagedLedger(t *testing.T) {
	t.Parallel()
	from := stores["sqlite"](t)
	h := holds(t, from, followed(t, from, "splits, one without a word"))
	for _, f := range formats {
		e := archive.Export{Store: from, Format: f, CreatedBy: "test"}
		var out bytes.Buffer
		entry, err := e.Write(t.Context(), &out, h.Record, archive.Ledger)
		check(t, err)
		dice := rand.New(rand.NewPCG(6, uint64(len(f))))
		refused := 0
		for range rounds(150) {
			b := bytes.Clone(out.Bytes())
			for range 1 + dice.IntN(3) {
				b[dice.IntN(len(b))] ^= 1 << dice.IntN(8)
			}
			in, err := open(b, f, &entry.Meta)
			var v ledger.Verifier
			if err == nil {
				err = archive.EachEntry(t.Context(), in, func(s ledger.Sealed) error {
					if err := v.Add(s); err != nil {
						return fmt.Errorf("%w: %w", archive.ErrFormat, err)
					}
					if want := h.Entries[s.Seq-1]; !bytes.Equal(s.Bytes, want.Bytes) || s.Hash != want.Hash || s.Kind != want.Kind {
						t.Fatalf("%s: entry %d was altered and passes", f, s.Seq)
					}
					return nil
				})
			}
			if !known(err) {
				t.Fatalf("%s: %v", f, err)
			}
			if err != nil {
				refused++
			}
		}
		if refused < rounds(100) {
			t.Errorf("%s: of %d damaged files %d were refused", f, rounds(150), refused)
		}
	}
}

// A series without anything leaves no files; one with bars alone leaves one; a file without rows can
// be read all the same.
func TestEmptySeries(t *testing.T) {
	t.Parallel()
	s := stores["sqlite"](t)
	id := fill(t, s, "EMPTY", nil, 0)
	series, err := s.Series(t.Context())
	check(t, err)
	for _, f := range formats {
		e := archive.Export{Store: s, Format: f, CreatedBy: "test"}
		dir := t.TempDir()
		check(t, e.ToFolder(t.Context(), dir, series, archive.Kinds, nil))
		files, err := archive.Find(dir)
		check(t, err)
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		check(t, err)
		if len(files) != 0 || len(left) != 1 {
			t.Errorf("%s: %d files, and %v", f, len(files), left)
		}
		to := stores["sqlite"](t)
		for _, k := range []archive.Kind{archive.Bars, archive.Ticks} {
			var out bytes.Buffer
			entry, err := e.Write(t.Context(), &out, series[0], k)
			check(t, err)
			in, err := open(out.Bytes(), f, &entry.Meta)
			check(t, err)
			im := archive.Import{Store: to}
			done, err := im.File(t.Context(), in)
			if err != nil || done.Kept != 0 || done.Known != 0 || done.Series != id {
				t.Errorf("%s of nothing, %s: %+v, %v", k, f, done, err)
			}
		}
		if got := holds(t, to, id); got.Record != series[0] || len(got.Log) != 0 {
			t.Errorf("%s: %+v", f, got)
		}
		var out bytes.Buffer
		entry, err := e.Write(t.Context(), &out, series[0], archive.Ledger)
		check(t, err)
		in, err := open(out.Bytes(), f, &entry.Meta)
		check(t, err)
		if _, err := (&archive.Import{Store: to}).File(t.Context(), in); !errors.Is(err, archive.ErrFormat) {
			t.Errorf("a ledger of nothing, %s: %v", f, err)
		}
	}
}

// A disk that is full while a file is written, and one that fails while it is read.
func TestDiskFails(t *testing.T) {
	t.Parallel()
	s := stores["sqlite"](t)
	id := fill(t, s, "A", revised(200), 40)
	rec := holds(t, s, id).Record
	for _, f := range formats {
		for _, k := range archive.Kinds {
			e := archive.Export{Store: s, Format: f, CreatedBy: "test"}
			var out bytes.Buffer
			entry, err := e.Write(t.Context(), &out, rec, k)
			check(t, err)
			for _, room := range []int{0, 10, out.Len() - 1} {
				if _, err := e.Write(t.Context(), &full{left: room}, rec, k); !errors.Is(err, errFull) {
					t.Errorf("%s %s, with room for %d of %d bytes: %v", k, f, room, out.Len(), err)
				}
			}
			for _, good := range []int64{0, 100, int64(out.Len()) / 2} {
				in, err := archive.Open(&failing{bytes.NewReader(out.Bytes()), good}, "file."+string(f), int64(out.Len()), &entry.Meta)
				if err == nil {
					_, err = readInput(in, 1<<20)
				}
				if !errors.Is(err, errDisk) {
					t.Errorf("%s %s, of which %d bytes can be read: %v", k, f, good, err)
				}
			}
		}
	}
}

var errFull = errors.New("the disk is full")

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errDisk = errors.New("the disk does not answer")

type failing struct {
	io.ReaderAt
	good int64 // bytes that can be read
}

func (f *failing) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > f.good {
		return 0, errDisk
	}
	return f.ReaderAt.ReadAt(p, at)
}

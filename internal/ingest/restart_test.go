package ingest_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// recordedTicks reads a compressed file of trades.
func recordedTicks(t testing.TB, path string) []market.Tick {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []market.Tick
	for lines := bufio.NewScanner(z); lines.Scan(); {
		cell := strings.Split(lines.Text(), ",")
		if cell[0] == "time" {
			continue
		}
		at, err := market.ParseTime(cell[0])
		price, err1 := strconv.ParseFloat(cell[1], 64)
		size, err2 := strconv.ParseFloat(cell[2], 64)
		if err := errors.Join(err, err1, err2); err != nil {
			t.Fatal(err)
		}
		out = append(out, market.Tick{Time: at, Price: price, Size: size})
	}
	return out
}

var errLost = errors.New("connection lost")

// recording is a replay of ticks in batches that honours resume, as replay does. Its
// first run fails after most ticks, later ones after more and more.
func recording(info feed.Info, ticks []market.Tick, batch, most int) *script {
	runs := 0
	return &script{info, func(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
		rest := ticks
		if last, ok := resume(info.Series[0].ID()); ok {
			end := info.Series[0].Interval.End(last)
			i := slices.IndexFunc(rest, func(t market.Tick) bool { return t.Time >= end })
			if i < 0 {
				return nil
			}
			rest = rest[i:]
		}
		runs++
		fails := len(rest) > most*runs
		rest = rest[:min(len(rest), most*runs)]
		for len(rest) > 0 {
			n := min(batch, len(rest))
			if !send(ctx, out, feed.Message{Instrument: info.Series[0].Instrument.Key(), Ticks: rest[:n]}) {
				return nil
			}
			rest = rest[n:]
			if len(rest) > 0 && !send(ctx, out, feed.Message{Clock: rest[0].Time}) {
				return nil
			}
		}
		if fails {
			return errLost
		}
		return nil
	}}
}

// A replay that is killed again and again after a commit, and whose source fails
// again and again, stores the same bars as one that runs through, whatever the
// batches.
func TestKilledReplayStoresTheSameBars(t *testing.T) {
	ticks := recordedTicks(t, testdata.Market(t, "ticks/STOCK.csv.gz"))
	info := replay()
	rollups := func(c *ingest.Config) { c.Rollups = []market.Interval{market.FiveMin, market.Hour, market.Day} }
	want := newMemory()
	newRig(t, want, rollups, recording(info, ticks, len(ticks), len(ticks))).runs(t, t.Context())

	synctest.Test(t, func(t *testing.T) { // for the waits after failures
		got := newMemory()
		killed := errors.New("killed")
		kills := 0
		for ; ; kills++ {
			left := 1 + kills%3 // commits until the process dies
			r := newRig(t, got, func(c *ingest.Config) {
				rollups(c)
				c.AfterCommit = func(context.Context, uint64) error {
					if left--; left == 0 {
						return killed
					}
					return nil
				}
			}, recording(info, ticks, 1+kills*31%197, 100+kills*61%400))
			err := r.Run(t.Context())
			if err == nil {
				break
			}
			if !errors.Is(err, killed) {
				t.Fatal(err)
			}
		}
		if kills < 10 {
			t.Fatalf("only %d kills", kills)
		}
		if d := cmp.Diff(want.bars, got.bars); d != "" {
			t.Errorf("bars (-through +killed):\n%s", d)
		}
		for _, r := range got.log {
			if r.AfterGap {
				t.Errorf("a replay marks a gap: %+v", r)
			}
		}
	})
	if len(want.bars[five]) < 50 {
		t.Errorf("only %d bars", len(want.bars[five]))
	}
}

// Whatever a source says of its bars, in any order and with restarts, every
// roll-up is what folding the stored base bars from scratch gives.
func TestRollupsEqualFoldingTheStore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newMemory()
		newest := 0
		known := []int{}
		for range rapid.IntRange(1, 4).Draw(rt, "runs") {
			var msgs []feed.Message
			for range rapid.IntRange(0, 60).Draw(rt, "messages") {
				k := newest
				switch {
				case len(known) > 0 && rapid.IntRange(0, 5).Draw(rt, "old") == 0:
					k = rapid.SampledFrom(known).Draw(rt, "which")
				default:
					newest += rapid.SampledFrom([]int{1, 1, 1, 2, 9}).Draw(rt, "step")
					k = newest
					known = append(known, k)
				}
				msgs = append(msgs, bars(bar(k, float64(rapid.IntRange(5, 500).Draw(rt, "price")))))
				if rapid.IntRange(0, 3).Draw(rt, "flush") == 0 {
					msgs = append(msgs, feed.Message{Clock: at(float64(newest + 1))})
				}
			}
			newRig(t, s, func(c *ingest.Config) {
				c.Rollups = []market.Interval{market.FiveMin, market.Hour}
			}, plays(replay(), msgs...)).runs(t, t.Context())
		}
		if len(s.rejects) > 0 {
			rt.Fatalf("rejects %+v", s.rejects)
		}
		for id, coarse := range map[market.SeriesID]market.Interval{five: market.FiveMin, "test:AMZN@1h": market.Hour} {
			for _, b := range s.bars[id] {
				var part []market.Bar
				for _, x := range s.bars[minute] {
					if x.Start >= b.Start && x.Start < b.End {
						part = append(part, x)
					}
				}
				want, _ := market.Fold(coarse, part)
				b.Revision = 0
				if d := cmp.Diff(want, b); d != "" {
					rt.Fatalf("%s (-folded +stored):\n%s", id, d)
				}
			}
			// Every coarse bar that a later base bar has passed is there.
			if all := s.bars[minute]; len(all) > 0 {
				last := coarse.Floor(all[len(all)-1].Start)
				missing := map[market.Time]bool{}
				for _, x := range all {
					if c := coarse.Floor(x.Start); c < last {
						missing[c] = true
					}
				}
				for _, b := range s.bars[id] {
					delete(missing, b.Start)
				}
				if len(missing) > 0 {
					rt.Fatalf("%s misses %v", id, missing)
				}
			}
		}
	})
}

// A roll-up interval that is new gets its history from the stored base bars.
func TestNewRollupGetsHistory(t *testing.T) {
	s := newMemory()
	var history []market.Bar
	for i := range 12_000 {
		history = append(history, bar(i, 10))
	}
	newRig(t, s, func(c *ingest.Config) { c.Rollups = nil }, plays(replay(), bars(history...))).runs(t, t.Context())
	newRig(t, s, nil, plays(replay(), bars(bar(12_000, 10)))).runs(t, t.Context())
	recs := s.of(five)
	if len(recs) != 2400 || !recs[0].Backfill || !recs[2399].Backfill || recs[2399].Start != at(11_995) {
		t.Fatalf("%d bars, last %+v", len(recs), recs[len(recs)-1])
	}
}

func BenchmarkTicks(b *testing.B) {
	for _, symbols := range []int{1, 100} {
		b.Run(strconv.Itoa(symbols)+"_symbols", func(b *testing.B) {
			info := feed.Info{Name: "test", Replay: true}
			for k := range symbols {
				info.Series = append(info.Series, market.Series{Instrument: market.Instrument{Symbol: "S" + strconv.Itoa(k), Venue: "test"}, Interval: market.Second})
			}
			const batch, perSecond = 100, 100
			total := 0
			src := &script{info, func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
				for i := 0; b.Loop(); i++ {
					t := make([]market.Tick, batch)
					for k := range t {
						t[k] = market.Tick{Time: m0 + market.Time((i/symbols*batch+k)*1e6/perSecond), Price: 100 + float64(k%7), Size: 1}
					}
					send(ctx, out, feed.Message{Instrument: info.Series[i%symbols].Instrument.Key(), Ticks: t})
					total += batch
				}
				return nil
			}}
			r := newRig(b, newMemory(), func(c *ingest.Config) { c.Rollups = []market.Interval{market.Minute, market.FiveMin} }, src)
			b.ReportAllocs()
			r.runs(b, b.Context())
			b.ReportMetric(float64(total)/b.Elapsed().Seconds()/1e6, "Mticks/s")
			b.ReportMetric(float64(len(r.store.log))/float64(max(1, r.store.commits)), "bars/commit")
		})
	}
}

func BenchmarkBars(b *testing.B) {
	i := 0
	src := &script{replay(), func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
		for ; b.Loop(); i++ {
			send(ctx, out, bars(bar(i, 10)))
		}
		return nil
	}}
	r := newRig(b, newMemory(), nil, src)
	b.ReportAllocs()
	r.runs(b, b.Context())
	b.ReportMetric(float64(i)/b.Elapsed().Seconds()/1e3, "kbars/s")
}

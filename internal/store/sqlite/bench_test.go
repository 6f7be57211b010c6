package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// BenchmarkCommitBars writes batches of one series durably.
func BenchmarkCommitBars(b *testing.B) {
	for _, size := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := open(b)
			ids := register(b, s, 1)
			recs := make([]store.BarRecord, size)
			next := 0
			b.ReportAllocs()
			for b.Loop() {
				for i := range recs {
					recs[i] = storetest.Bar(ids[0], next, 0)
					next++
				}
				if _, _, err := s.CommitBars(b.Context(), recs); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "bars/s")
		})
	}
}

// BenchmarkCommitTicks writes batches of ticks of ten series durably.
func BenchmarkCommitTicks(b *testing.B) {
	for _, size := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := open(b)
			ids := register(b, s, 10)
			batch := make([]store.Ticks, len(ids))
			for i, id := range ids {
				batch[i] = store.Ticks{Series: id, Ticks: make([]market.Tick, size/len(ids))}
			}
			next := 0
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch {
					for k := range batch[i].Ticks {
						next++
						batch[i].Ticks[k] = market.Tick{Time: market.Time(next/3) * 1000, Price: 100 + float64(next%100)/100, Size: float64(next%7) / 7, Seq: uint64(next)}
					}
				}
				if _, _, err := s.CommitTicks(b.Context(), batch, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(next)/b.Elapsed().Seconds(), "ticks/s")
		})
	}
}

// BenchmarkCommitSecond writes one bar of each series in one call, as a feed of many
// series does every second.
func BenchmarkCommitSecond(b *testing.B) {
	for _, n := range []int{1, 100, 1_000} {
		b.Run(fmt.Sprintf("series=%d", n), func(b *testing.B) {
			s := open(b)
			ids := register(b, s, n)
			recs := make([]store.BarRecord, n)
			next := 0
			b.ReportAllocs()
			for b.Loop() {
				for i, id := range ids {
					recs[i] = storetest.Bar(id, next, 0)
				}
				next++
				if _, _, err := s.CommitBars(b.Context(), recs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCommitStep writes what every series' track does at a bar, each from a
// goroutine of its own: an issue of 15 forecasts, an outcome and 15 scores. One
// iteration is done when all of them are durable.
func BenchmarkCommitStep(b *testing.B) {
	for _, n := range []int{1, 100, 1_000} {
		b.Run(fmt.Sprintf("series=%d", n), func(b *testing.B) { benchmarkSteps(b, n, false) })
		b.Run(fmt.Sprintf("series=%d/one-call", n), func(b *testing.B) { benchmarkSteps(b, n, true) })
	}
}

func benchmarkSteps(b *testing.B, n int, oneCall bool) {
	s := open(b)
	ids := register(b, s, n)
	chains := make([]storetest.Chain, n)
	for i, id := range ids {
		chains[i] = storetest.Chain{ID: id, Mode: ledger.Live}
		if _, err := s.CommitStep(b.Context(), store.Step{Series: id, Entries: []ledger.Sealed{chains[i].Genesis()}}); err != nil {
			b.Fatal(err)
		}
	}
	steps := make([]store.Step, n)
	at := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		at++
		for i := range steps {
			steps[i] = store.Step{
				Series:  ids[i],
				Entries: []ledger.Sealed{chains[i].Outcome(at, 0), chains[i].Issue(at, 3, 5)},
				Scores:  storetest.Scores(at, 0, 3, 5),
				Cursor:  store.Cursor{BarSeq: uint64(at)},
			}
		}
		b.StartTimer()
		if oneCall {
			if _, err := s.CommitStep(b.Context(), steps...); err != nil {
				b.Fatal(err)
			}
			continue
		}
		var wg sync.WaitGroup
		for i := range steps {
			wg.Go(func() {
				if _, err := s.CommitStep(b.Context(), steps[i]); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// BenchmarkBars reads the newest 5,000 bars of one series.
func BenchmarkBars(b *testing.B) {
	for _, total := range []int{10_000, 100_000, 10_000_000} {
		b.Run(fmt.Sprintf("of=%d", total), func(b *testing.B) {
			if total > 1_000_000 && os.Getenv("FORETICK_BENCH_LARGE") == "" {
				b.Skip("takes a minute and a gigabyte: set FORETICK_BENCH_LARGE=1")
			}
			s := open(b)
			id := register(b, s, 1)[0]
			fill(b, s, id, total)
			r := store.Range{To: storetest.Bar(id, total*3/4, 0).Start, Limit: 5000, Newest: true}
			b.ReportAllocs()
			for b.Loop() {
				if bars, err := s.Bars(b.Context(), id, r); err != nil || len(bars) != 5000 {
					b.Fatal(len(bars), err)
				}
			}
		})
	}
}

// BenchmarkEachScore reads the scores of one model and horizon over a day of
// seconds, among 15 that were scored a second.
func BenchmarkEachScore(b *testing.B) {
	for _, targets := range []int{1_000, 86_400} {
		b.Run(fmt.Sprintf("targets=%d", targets), func(b *testing.B) {
			s := open(b)
			id := register(b, s, 1)[0]
			for at := 0; at < targets; at += 100 {
				var scores []score.Score
				for i := at; i < min(at+100, targets); i++ {
					scores = append(scores, storetest.Scores(i, 0, 3, 5)...)
				}
				if _, err := s.CommitStep(b.Context(), store.Step{Series: id, Scores: scores}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				err := s.EachScore(b.Context(), id, store.ScoreQuery{Model: "drift", Horizon: 1}, func(*score.Score) bool { n++; return true })
				if err != nil || n != targets {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func register(t testing.TB, s *Store, n int) (ids []market.SeriesID) {
	t.Helper()
	for i := range n {
		rec := storetest.Series(fmt.Sprintf("S%04d", i))
		if err := s.PutSeries(context.Background(), rec); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.ID())
	}
	return ids
}

func fill(t testing.TB, s *Store, id market.SeriesID, total int) {
	t.Helper()
	for at := 0; at < total; at += 10_000 {
		if _, _, err := s.CommitBars(context.Background(), storetest.Bars(id, at, min(at+10_000, total))); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkBackup backs up a store of a million bars while another goroutine commits one bar
// after the other, each with a sync of its own, and says how fast both are.
func BenchmarkBackup(b *testing.B) {
	dir := b.TempDir()
	s, err := Open(b.Context(), dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	rec := storetest.Series("A")
	if err := s.PutSeries(b.Context(), rec); err != nil {
		b.Fatal(err)
	}
	n := 0
	for ; n < 1_000_000; n += 50_000 {
		if _, _, err := s.CommitBars(b.Context(), storetest.Bars(rec.ID(), n, n+50_000)); err != nil {
			b.Fatal(err)
		}
	}
	commits := func(until <-chan struct{}) float64 {
		began, done := time.Now(), 0
		for {
			select {
			case <-until:
				return float64(done) / time.Since(began).Seconds()
			default:
			}
			if _, _, err := s.CommitBars(b.Context(), storetest.Bars(rec.ID(), n, n+1)); err != nil {
				b.Error(err)
			}
			n++
			done++
		}
	}
	alone := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(alone) })
	quiet := commits(alone)
	var rate float64
	for b.Loop() {
		done, said := make(chan struct{}), make(chan float64)
		go func() { said <- commits(done) }()
		out := filepath.Join(b.TempDir(), "b.db")
		if err := Backup(b.Context(), dir, out, BackupOptions{Replace: true}); err != nil {
			b.Fatal(err)
		}
		close(done)
		rate = <-said
		fi, err := os.Stat(out)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(fi.Size())
	}
	b.ReportMetric(quiet, "commits-alone/s")
	b.ReportMetric(rate, "commits-meanwhile/s")
}

// BenchmarkBarsAsOf reads the newest 5,000 bars as they were in the middle of a million, one in
// fifty of which was revised since, and beside it the same bars as they are.
func BenchmarkBarsAsOf(b *testing.B) {
	const total = 1_000_000
	s := open(b)
	id := register(b, s, 1)[0]
	fill(b, s, id, total)
	var revised []store.BarRecord
	for i := 0; i < total; i += 50 {
		revised = append(revised, storetest.Bar(id, i, 1))
	}
	if _, _, err := s.CommitBars(context.Background(), revised); err != nil {
		b.Fatal(err)
	}
	middle := storetest.Bar(id, total/2, 0).Start
	for name, r := range map[string]store.Range{
		"then": {Newest: true, Limit: 5000, AsOf: total / 2},
		"now":  {Newest: true, Limit: 5000, To: middle},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bars, err := s.Bars(b.Context(), id, r)
				if err != nil || len(bars) != 5000 {
					b.Fatal(len(bars), err)
				}
			}
		})
	}
}

package transfer_test

import (
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/store/transfer"
	"github.com/foretick/foretick/ledger"
)

// BenchmarkCopy copies a store of 100,000 bars, 4,000 entries of 15 forecasts and 30,000
// scores, compared with its source included.
func BenchmarkCopy(b *testing.B) {
	from, err := sqlite.Open(b.Context(), b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer from.Close()
	rec := storetest.Series("A")
	if err := from.PutSeries(b.Context(), rec); err != nil {
		b.Fatal(err)
	}
	if _, _, err := from.CommitBars(b.Context(), storetest.Bars(rec.ID(), 0, 100_000)); err != nil {
		b.Fatal(err)
	}
	c := storetest.Chain{ID: rec.ID(), Mode: ledger.Live}
	step := store.Step{Series: rec.ID(), Entries: []ledger.Sealed{c.Genesis()}, Cursor: store.Cursor{BarSeq: 100_000}}
	for i := range 2000 {
		step.Entries = append(step.Entries, c.Outcome(i, 0), c.Issue(i, 3, 5))
		step.Scores = append(step.Scores, storetest.Scores(i, 0, 3, 5)...)
	}
	if _, err := from.CommitStep(b.Context(), step); err != nil {
		b.Fatal(err)
	}
	for name, open := range map[string]func() (store.Store, error){
		"sqlite":   func() (store.Store, error) { return sqlite.Open(b.Context(), b.TempDir(), sqlite.Options{}) },
		"postgres": func() (store.Store, error) { return postgres.Open(b.Context(), pgtest.Open(b), postgres.Options{}) },
	} {
		b.Run("to="+name, func(b *testing.B) {
			for b.Loop() {
				to, err := open()
				if err != nil {
					b.Fatal(err)
				}
				n, _, err := transfer.Copy(b.Context(), from, to, transfer.Watch{})
				if err != nil || n.Bars != 100_000 || n.Scores != 30_000 {
					b.Fatalf("%+v, %v", n, err)
				}
				if err := to.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*104_001/b.Elapsed().Seconds(), "events/s")
		})
	}
}

package engine

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// shelf keeps documents, and how many came at once.
type shelf struct {
	Store
	each []int
	kept map[string]bool
}

func (s *shelf) PutDocuments(_ context.Context, docs ...store.Document) error {
	s.each = append(s.each, len(docs))
	for _, d := range docs {
		s.kept[d.Name] = true
	}
	return nil
}

// Series that have their snapshots due at the same bar do not hold up the next one: so many are
// kept at once, and the engine looks for bars in between.
func TestSnapshotsAreBounded(t *testing.T) {
	s := &shelf{kept: map[string]bool{}}
	e, err := New(Config{Store: s, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	models := []forecast.Forecaster{naive.New()}
	var work []task
	for i := range 150 {
		tr, err := track.New(track.Config{Series: market.Series{Instrument: market.Instrument{Symbol: fmt.Sprintf("S%d", i), Venue: "test"}, Interval: market.Second}, Mode: ledger.Replay, Models: models})
		if err != nil {
			t.Fatal(err)
		}
		f := &follower{Track: tr, metrics: e.metrics.series(tr.ID(), models), unsaved: SnapshotEvery}
		e.tracks[tr.ID()] = f
		work = append(work, task{track: f, recs: make([]store.BarRecord, 1), done: 1})
	}
	e.committed(work)
	e.committed(work) // the next bar comes before all are kept: nothing is due twice
	for len(e.due) > 0 {
		e.saveDue(t.Context())
	}
	if !slices.Equal(s.each, []int{64, 64, 22}) || len(s.kept) != 150 {
		t.Errorf("%d series were kept, in lots of %v", len(s.kept), s.each)
	}
	e.saveAll(t.Context())
	if len(s.each) != 3 {
		t.Errorf("what was kept is kept again: %v", s.each)
	}
}

package storetest

import (
	"context"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Watched returns s, with call told of each use of it before anything is done, by the name of the
// method and on the goroutine of whoever uses it. Epoch, which reads nothing, and what only backups
// and copies use are left out.
func Watched(s store.Store, call func(name string)) store.Store { return &watched{s, call} }

type watched struct {
	store.Store
	call func(name string)
}

func (w *watched) Ping(ctx context.Context) error {
	w.call("Ping")
	return w.Store.Ping(ctx)
}

func (w *watched) PutSeries(ctx context.Context, s store.SeriesRecord) error {
	w.call("PutSeries")
	return w.Store.PutSeries(ctx, s)
}

func (w *watched) Series(ctx context.Context) ([]store.SeriesRecord, error) {
	w.call("Series")
	return w.Store.Series(ctx)
}

func (w *watched) CommitBars(ctx context.Context, bars []store.BarRecord) (kept int, last uint64, err error) {
	w.call("CommitBars")
	return w.Store.CommitBars(ctx, bars)
}

func (w *watched) Bars(ctx context.Context, id market.SeriesID, r store.Range) ([]market.Bar, error) {
	w.call("Bars")
	return w.Store.Bars(ctx, id, r)
}

func (w *watched) BarLog(ctx context.Context, id market.SeriesID, after uint64, limit int) ([]store.BarRecord, error) {
	w.call("BarLog")
	return w.Store.BarLog(ctx, id, after, limit)
}

func (w *watched) Chart(ctx context.Context, id market.SeriesID, from, to market.Time, most int) (market.Interval, []market.Bar, error) {
	w.call("Chart")
	return w.Store.Chart(ctx, id, from, to, most)
}

func (w *watched) RollUp(ctx context.Context, id market.SeriesID, limit int) (rolled int, err error) {
	w.call("RollUp")
	return w.Store.RollUp(ctx, id, limit)
}

func (w *watched) DeleteBars(ctx context.Context, id market.SeriesID, before market.Time, limit int) (deleted int, err error) {
	w.call("DeleteBars")
	return w.Store.DeleteBars(ctx, id, before, limit)
}

func (w *watched) KeptFrom(ctx context.Context, id market.SeriesID) (market.Time, error) {
	w.call("KeptFrom")
	return w.Store.KeptFrom(ctx, id)
}

func (w *watched) CommitStep(ctx context.Context, steps ...store.Step) (last uint64, err error) {
	w.call("CommitStep")
	return w.Store.CommitStep(ctx, steps...)
}

func (w *watched) Head(ctx context.Context, id market.SeriesID) (ledger.Head, store.Cursor, error) {
	w.call("Head")
	return w.Store.Head(ctx, id)
}

func (w *watched) Entries(ctx context.Context, id market.SeriesID, q store.EntryQuery) ([]ledger.Sealed, error) {
	w.call("Entries")
	return w.Store.Entries(ctx, id, q)
}

func (w *watched) EachScore(ctx context.Context, id market.SeriesID, q store.ScoreQuery, f func(*score.Score) bool) error {
	w.call("EachScore")
	return w.Store.EachScore(ctx, id, q, f)
}

func (w *watched) ScoreRevision(ctx context.Context, id market.SeriesID) (uint64, error) {
	w.call("ScoreRevision")
	return w.Store.ScoreRevision(ctx, id)
}

func (w *watched) Quarantine(ctx context.Context, at time.Time, rejects []feed.Reject) error {
	w.call("Quarantine")
	return w.Store.Quarantine(ctx, at, rejects)
}

func (w *watched) Quarantined(ctx context.Context, before uint64, limit int) ([]store.QuarantineRecord, error) {
	w.call("Quarantined")
	return w.Store.Quarantined(ctx, before, limit)
}

func (w *watched) QuarantineCount(ctx context.Context) (int, error) {
	w.call("QuarantineCount")
	return w.Store.QuarantineCount(ctx)
}

func (w *watched) LastEvent(ctx context.Context) (uint64, error) {
	w.call("LastEvent")
	return w.Store.LastEvent(ctx)
}

func (w *watched) EventsAfter(ctx context.Context, after uint64, limit int) ([]store.Event, error) {
	w.call("EventsAfter")
	return w.Store.EventsAfter(ctx, after, limit)
}

func (w *watched) FirstEvent(ctx context.Context) (uint64, error) {
	w.call("FirstEvent")
	return w.Store.FirstEvent(ctx)
}

func (w *watched) SeqAt(ctx context.Context, at market.Time) (uint64, error) {
	w.call("SeqAt")
	return w.Store.SeqAt(ctx, at)
}

func (w *watched) PutActions(ctx context.Context, instrument string, at market.Time, actions ...market.Action) (kept int, err error) {
	w.call("PutActions")
	return w.Store.PutActions(ctx, instrument, at, actions...)
}

func (w *watched) Actions(ctx context.Context, instrument string) ([]market.Action, error) {
	w.call("Actions")
	return w.Store.Actions(ctx, instrument)
}

func (w *watched) ActionLog(ctx context.Context, after uint64, limit int) ([]store.ActionRecord, error) {
	w.call("ActionLog")
	return w.Store.ActionLog(ctx, after, limit)
}

func (w *watched) PutDocuments(ctx context.Context, docs ...store.Document) error {
	w.call("PutDocuments")
	return w.Store.PutDocuments(ctx, docs...)
}

func (w *watched) Document(ctx context.Context, kind, name string) (store.Document, error) {
	w.call("Document")
	return w.Store.Document(ctx, kind, name)
}

func (w *watched) Documents(ctx context.Context, kind string) ([]store.DocumentRecord, error) {
	w.call("Documents")
	return w.Store.Documents(ctx, kind)
}

func (w *watched) DeleteDocument(ctx context.Context, kind, name string) error {
	w.call("DeleteDocument")
	return w.Store.DeleteDocument(ctx, kind, name)
}

func (w *watched) CommitTicks(ctx context.Context, ticks []store.Ticks, bars []store.BarRecord) (kept int, last uint64, err error) {
	w.call("CommitTicks")
	return w.Store.CommitTicks(ctx, ticks, bars)
}

func (w *watched) DeleteTicks(ctx context.Context, id market.SeriesID, before market.Time, limit int) (deleted int, err error) {
	w.call("DeleteTicks")
	return w.Store.DeleteTicks(ctx, id, before, limit)
}

func (w *watched) EachTick(ctx context.Context, id market.SeriesID, from, to market.Time, f func(market.Tick) bool) error {
	w.call("EachTick")
	return w.Store.EachTick(ctx, id, from, to, f)
}

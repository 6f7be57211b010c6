package store

import (
	"context"

	"github.com/foretick/foretick/market"
)

// TickWriter appends ticks. Keeping them is optional; bars and ledger are always kept.
type TickWriter interface {
	// CommitTicks appends ticks and the bars that they are in, in one transaction, all or
	// none: so no bar is stored before its ticks. Bars are taken as by CommitBars, whose
	// results these are, and there may be none.
	//
	// A tick whose time and venue number (Seq, unless it is 0) the series has already is
	// skipped: a source may send again what it sent. The error wraps ErrNotFound when a
	// series is not registered. Values that are no finite numbers are refused.
	CommitTicks(ctx context.Context, ticks []Ticks, bars []BarRecord) (kept int, last uint64, err error)
	// DeleteTicks deletes up to limit of the oldest ticks of a series from before a time, in
	// one short transaction, and returns how many there were: 0 when none is left. An
	// unknown series has none.
	DeleteTicks(ctx context.Context, id market.SeriesID, before market.Time, limit int) (deleted int, err error)
}

// Ticks are ticks of one series, that which its feed delivers, in the order of their arrival.
type Ticks struct {
	Series market.SeriesID
	Ticks  []market.Tick
}

// TickReader reads ticks.
type TickReader interface {
	// EachTick calls f for the ticks of a series with from <= time < to until f returns
	// false: by time, then by the venue's number, those without one in the order of their
	// arrival. A zero from or to means no bound. An unknown series has none. Pages are read
	// one after the other, so ticks that are committed meanwhile may or may not be among
	// them, and f may take its time.
	EachTick(ctx context.Context, id market.SeriesID, from, to market.Time, f func(market.Tick) bool) error
}

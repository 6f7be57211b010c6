package store

import (
	"context"

	"github.com/foretick/foretick/market"
)

// Copier is what a store offers, beside its other roles, so that another one can become its
// copy: the same events with the same numbers, however either keeps them. Package transfer
// does the copying.
type Copier interface {
	// DocumentKinds lists the kinds of which there are documents, in order.
	DocumentKinds(ctx context.Context) ([]string, error)
	// Stamps returns up to limit rows of the clock with At > after, ascending.
	Stamps(ctx context.Context, after market.Time, limit int) ([]Stamp, error)
	// Candles returns up to limit stored candles of a series after the one given, by length
	// and start, and how far they are, nil when no bar is in candles.
	Candles(ctx context.Context, id market.SeriesID, after Candle, limit int) ([]Candle, *RollState, error)
	// Receive puts in what another store holds, all or none, with its numbers. Nothing is
	// derived from it: no candle, no time of commit.
	Receive(ctx context.Context, b Batch) error
}

// Batch is a part of another store. Usually one of its fields is set.
type Batch struct {
	// Events are bars and entries, ascending and after the last event; Kind, Key and Scores
	// are not looked at. Entries follow the head of their chain.
	Events  []Item
	Stamps  []Stamp
	Actions []ActionRecord     // after the last record
	Rejects []QuarantineRecord // whose numbers are free
	Candles []Candle           // of the series of State, in place of equal ones
	State   *SeriesState
}

// Stamp is a row of the clock: events up to Seq were committed at At.
type Stamp struct {
	At  market.Time
	Seq uint64
}

// Candle is a stored candle, a bar of a chart.
type Candle struct {
	Minutes, Start                 int64 // length, and start since 1970, in minutes
	Open, High, Low, Close, Volume float64
	Trades                         int64
}

// RollState says how far the candles of a series are; package rollup knows what it means.
type RollState struct {
	To, Kept market.Time
	Trimmed  uint64
	Body     string
}

// SeriesState is where a series stands, beside what its events tell.
type SeriesState struct {
	Series        market.SeriesID
	Cursor        Cursor
	ScoreRevision uint64
	Roll          *RollState // nil: none
}

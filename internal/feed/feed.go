// Package feed is the contract between market data and the rest of Foretick. Each
// source is a sub-package; feedtest holds the suite that all of them pass.
package feed

import (
	"context"
	"errors"

	"github.com/foretick/foretick/market"
)

// Source delivers the data of one or more instruments.
type Source interface {
	// Info describes the source. It does not change.
	Info() Info
	// Run sends messages to out until ctx is done or the data ends, and returns
	// nil in both cases; any other error is the reason why it could not go on.
	// It blocks, starts no goroutine that outlives it, never closes out and gives
	// up a send when ctx is done. resume names the start of the last stored bar
	// of each series; data up to and including it is not sent again. Run may be called
	// again when it has returned, never twice at once.
	Run(ctx context.Context, resume Resume, out chan<- Message) error
}

// ErrFinal is wrapped by errors of Run after which starting the source again is of no use: a
// wrong key, a venue that does not answer from where this machine is.
var ErrFinal = errors.New("refused for good")

// Resume gives the start of the last stored bar of a series, ok false when none is
// stored.
type Resume func(market.SeriesID) (start market.Time, ok bool)

// Info describes a source.
type Info struct {
	Name string // "sim", "replay", or the venue
	// Series are the instruments with the interval at which the source delivers
	// bars, or at which its ticks are to be built into bars.
	Series []market.Series
	// Calendars holds the trading calendar of each instrument by its key; an
	// instrument without one trades around the clock.
	Calendars map[string]market.Calendar
	// Note is what whoever sees its prices should know, in a sentence; "" for nothing.
	Note string
	// Replay is true when the source plays recorded data: time is then the time
	// of the data (Message.Clock), not the wall clock.
	Replay bool
}

// Message is a batch for one instrument. Messages of one instrument arrive in the
// order in which its source learnt of the data.
type Message struct {
	// Instrument is the key of the instrument; empty when only Clock, State or
	// Rejects is set.
	Instrument string
	Ticks      []market.Tick // to be built into bars
	Bars       []market.Bar  // bars that the source itself calls closed
	// Backfill marks data from before the source was started: models learn from
	// it, but no forecast is issued for it.
	Backfill bool
	// Rejects are inputs that the source could not use.
	Rejects []Reject
	// Lost are stretches of which the venue has no bars any more; Detail says why.
	Lost []market.Span
	// Actions are splits and dividends that the venue tells of.
	Actions []market.Action
	// Link, when not nil, is the new condition of the connection.
	Link *Link
	// Clock, in a replay, is the time of the data: everything before it has been
	// sent. Zero otherwise.
	Clock market.Time
	// State, when not empty, is the source's new condition.
	State State
	// Detail says why, in words for a person.
	Detail string
}

// State is the condition of a source.
type State string

// The conditions of a source.
const (
	Connecting State = "connecting"
	Running    State = "running"
	Stalled    State = "stalled"
	Finished   State = "finished"
	Failed     State = "failed"
)

// Reject is an input that could not be used. Nothing is dropped in silence: every
// reject is counted and kept in quarantine.
type Reject struct {
	Source     string `json:"source"`     // the feed, or the file's name
	Instrument string `json:"instrument"` // key, where known
	Line       int    `json:"line"`       // 1-based line of a file, 0 elsewhere
	Raw        string `json:"raw"`        // the input as it came, cut to 500 bytes
	Reason     string `json:"reason"`     // what is wrong with it
}

// Link is the condition of the connection to a venue.
type Link struct {
	At         market.Time `json:"at"`             // when it was so
	Frames     uint64      `json:"frames"`         // received
	Reconnects uint64      `json:"reconnects"`     // connections that were lost or given up
	Reason     string      `json:"reason"`         // why the last one was
	Healing    int         `json:"healing"`        // series whose missed bars are being asked for
	GapsOpen   int         `json:"gaps_open"`      // stretches of missed trades that are to be repaired
	GapsHealed uint64      `json:"gaps_healed"`    // repaired over REST
	GapsLost   uint64      `json:"gaps_lost"`      // that could not be had
	Lost       string      `json:"lost"`           // the last of them, and why
	Duplicates uint64      `json:"duplicates"`     // trades that came twice
	Unknown    uint64      `json:"unknown"`        // messages of a type that is not known
	Refused    string      `json:"refused"`        // what the venue refused last
	Offset     float64     `json:"clock_offset"`   // seconds that the venue's clock is ahead, less the way
	Measured   bool        `json:"clock_measured"` // whether Offset is known
	Headroom   float64     `json:"headroom"`       // share of the REST host's rate that is left, 0 to 1
}

// Health is what is known about a source while it runs.
type Health struct {
	Name      string            `json:"name"`
	Series    []market.SeriesID `json:"series"`
	Note      string            `json:"note,omitempty"` // what whoever sees its prices should know
	Simulated bool              `json:"simulated"`
	Replay    bool              `json:"replay"`
	State     State             `json:"state"`
	Detail    string            `json:"detail"`
	Since     market.Time       `json:"since"`          // of State
	LastData  market.Time       `json:"last_data"`      // when the last message came, wall clock; 0: never
	Clock     market.Time       `json:"clock"`          // time of the data in a replay, 0 elsewhere
	Ticks     uint64            `json:"ticks"`          // received
	Bars      uint64            `json:"bars"`           // committed, first revisions
	Revised   uint64            `json:"bars_revised"`   // committed, later revisions
	Late      uint64            `json:"ticks_late"`     // came after their bar was final
	Rejected  uint64            `json:"rejected"`       // in quarantine
	Gaps      uint64            `json:"gaps"`           // stretches without data
	Link      *Link             `json:"link,omitempty"` // nil: no venue
}

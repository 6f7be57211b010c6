// Package store says what Foretick needs of a database. Adapters live in
// sub-packages; storetest holds the suite that every one of them passes.
//
// Every write method returns only when its data is durable. Concurrent writes are
// committed together (group commit): a caller that has much to write passes it in
// one call.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Errors of all stores, wrapped with details.
var (
	// ErrNotFound says that the series or entry asked for does not exist.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict says that a step does not follow the head of its chain.
	ErrConflict = errors.New("store: conflict")
	// ErrFull says that the disk is full. Nothing of the write was kept.
	ErrFull = errors.New("store: the disk is full")
	// ErrReadOnly says that the store cannot be written to.
	ErrReadOnly = errors.New("store: not writable")
	// ErrLocked says that another process uses the store.
	ErrLocked = errors.New("store: in use by another process")
	// ErrVersion says that the schema is older or newer than what this program needs.
	ErrVersion = errors.New("store: of another version")
	// ErrCorrupt says that stored data is damaged.
	ErrCorrupt = errors.New("store: damaged")
	// ErrTooEarly says that what was known at a time cannot be told: it lies before
	// the first of which the store knows when it was committed.
	ErrTooEarly = errors.New("store: before the first time that is known")
)

// TooEarly is an error that wraps ErrTooEarly and says from when on it is known.
type TooEarly struct {
	From market.Time // the time of the first commit that has one; 0: there is none yet
}

func (e *TooEarly) Error() string {
	if e.From == 0 {
		return ErrTooEarly.Error() + ": nothing is stored yet"
	}
	return ErrTooEarly.Error() + ", " + e.From.String()
}

func (e *TooEarly) Unwrap() error { return ErrTooEarly }

// Store is everything together; consumers ask for the roles that they need.
type Store interface {
	SeriesStore
	BarWriter
	BarReader
	ChartReader
	Keeper
	TickWriter
	TickReader
	StepWriter
	LedgerReader
	ScoreReader
	QuarantineStore
	EventReader
	Clock
	DocumentStore
	ActionStore
	Checker
	Copier
	// Ping reports whether the store can be written to now.
	Ping(ctx context.Context) error
	// Close waits for what was handed over, then releases the store. It may be
	// called more than once; afterwards calls fail with ErrReadOnly.
	Close() error
}

// SeriesStore keeps the series that are known.
type SeriesStore interface {
	// PutSeries registers s, or updates its description. Calling it again with
	// the same value changes nothing.
	PutSeries(ctx context.Context, s SeriesRecord) error
	// Series lists all series by ID.
	Series(ctx context.Context) ([]SeriesRecord, error)
}

// SeriesRecord is a series and the conditions under which it is followed.
type SeriesRecord struct {
	market.Series
	Mode ledger.Mode
	// Source is the feed it comes from; Base is false for series that are rolled
	// up from a finer one.
	Source string
	Base   bool
}

// BarWriter appends bars.
type BarWriter interface {
	// CommitBars appends bars to the log, all or none, in order. A bar whose
	// (series, start) is stored already must carry a higher revision and replaces
	// it in reads; the older revision is kept. A bar equal to the stored one is
	// skipped. Each bar that was not skipped becomes an Event. It returns the
	// number of bars kept and the number of the last event (0 when none was kept).
	// The error wraps ErrNotFound when a series is not registered, and ErrConflict
	// when a bar differs from the stored one without a higher revision. Values that
	// are no finite numbers are refused. A bar from before what is kept (see Keeper) is
	// skipped.
	CommitBars(ctx context.Context, bars []BarRecord) (kept int, last uint64, err error)
}

// BarRecord is a bar on its way into the log, or read back from it.
type BarRecord struct {
	Series market.SeriesID
	market.Bar
	Backfill bool // history from before the feed was started
	// AfterGap is true when data was lost between the bar before and this one:
	// Foretick or its feed was down.
	AfterGap bool
	Seq      uint64 // event number, assigned by the store
}

// BarReader reads bars.
type BarReader interface {
	// Bars returns the latest revision of each bar in r, ordered by start:
	// ascending, or descending when r.Newest. With r.AsOf it is the latest of then.
	// An unknown series has none.
	Bars(ctx context.Context, id market.SeriesID, r Range) ([]market.Bar, error)
	// BarLog returns log records of the series (of all series when id is empty) with
	// Seq > after, in commit order, revisions included: at least one if there is
	// one, at most limit.
	BarLog(ctx context.Context, id market.SeriesID, after uint64, limit int) ([]BarRecord, error)
}

// ChartReader reads a series at the width of a chart.
//
// A store keeps the candles of 1m, 5m, 15m, 1h and 1d of every series whose own interval
// nests in them (package rollup says how they are made), and changes them in the
// transaction that changes bars. They stay when their bars are deleted.
type ChartReader interface {
	// Chart returns the series in from <= start < to at the finest interval that has at
	// most most bars there: its own, one of those above, 1w or 1mo. A zero from or to
	// means no bound. Of a coarser interval the candle that from lies in is the first.
	// Where bars of the range were deleted its own interval does not come into question.
	// The coarsest interval is returned whole, however many candles that are. The error
	// wraps ErrNotFound when the series is not registered.
	Chart(ctx context.Context, id market.SeriesID, from, to market.Time, most int) (market.Interval, []market.Bar, error)
}

// Keeper does what becomes due with time. Each call is one short transaction, so that
// whoever commits bars meanwhile hardly waits; what calls it decides how often.
type Keeper interface {
	// RollUp takes up to limit bars into the candles that are not in them yet, because
	// a migration has deleted candles to have them made anew, and returns how many there
	// were. Until there are none left, charts are right but slow.
	RollUp(ctx context.Context, id market.SeriesID, limit int) (rolled int, err error)
	// DeleteBars deletes up to limit of the oldest bars that start before the day of
	// UTC in which before lies, with their revisions and events, and returns how many
	// there were. Their candles stay. From the first call on bars of these days are
	// skipped by CommitBars and missing from BarLog. Series of days and longer
	// intervals, ledgers and scores are never deleted from.
	DeleteBars(ctx context.Context, id market.SeriesID, before market.Time, limit int) (deleted int, err error)
	// KeptFrom is the time from which on DeleteBars has left all bars of a series,
	// market.MinTime when it has deleted none.
	KeptFrom(ctx context.Context, id market.SeriesID) (market.Time, error)
}

// Range selects by time: From <= t < To. Zero From means from the beginning, zero
// To to the end. Limit 0 means 1,000. With Newest the newest Limit rows are
// returned, newest first.
//
// AsOf is the number of an event: the answer is what it was when that event had been
// committed, and nothing after it. 0 means now. [Clock] turns a time into a number.
type Range struct {
	From, To market.Time
	Limit    int
	Newest   bool
	AsOf     uint64
}

// StepWriter appends what a track did.
type StepWriter interface {
	// CommitStep appends the entries and scores of each step. Steps are
	// independent: one that does not follow its chain's head gets ErrConflict
	// (errors.Join of those that failed, each naming its series) while the others
	// are kept. Each step is kept whole or not at all. Each entry becomes an
	// Event. A score replaces an earlier one of the same (model, version, horizon,
	// cutoff, target). It returns the number of the last event (0 when none).
	CommitStep(ctx context.Context, steps ...Step) (last uint64, err error)
}

// Step is what one or more calls of a track's Step produced for one series.
type Step struct {
	Series  market.SeriesID
	Entries []ledger.Sealed // consecutive; the first follows the head
	Scores  []score.Score
	// Cursor is where the track now stands; it is stored with the step.
	Cursor Cursor
}

// Cursor is the place of a track in its series' bar log.
type Cursor struct {
	BarSeq uint64      // event number of the last bar consumed
	Inputs ledger.Hash // digest of all bars consumed
}

// LedgerReader reads chains.
type LedgerReader interface {
	// Head returns the last entry's number and hash, zeros for an empty chain,
	// and the cursor stored with it. ErrNotFound: the series is not registered.
	Head(ctx context.Context, id market.SeriesID) (ledger.Head, Cursor, error)
	// Entries returns the entries selected by q ordered by number, ascending or
	// descending when q.Newest. Bytes are returned as stored, unchecked.
	Entries(ctx context.Context, id market.SeriesID, q EntryQuery) ([]ledger.Sealed, error)
}

// EntryQuery selects ledger entries. Zero values select all.
type EntryQuery struct {
	From, To uint64        // From <= Seq < To; To 0 means to the end
	Kinds    []ledger.Kind // none: every kind
	// Times selects by the subject's time: the cutoff of an Issue, the start of
	// the bar of an Outcome, At for the others.
	Times Range // Limit, Newest and AsOf of Times apply to the whole query
}

// ScoreReader reads scores.
type ScoreReader interface {
	// EachScore calls f for the scores selected by q, in order of target, then
	// cutoff, ascending; it stops when f returns false. The pointer is only valid during
	// the call.
	EachScore(ctx context.Context, id market.SeriesID, q ScoreQuery, f func(*score.Score) bool) error
	// ScoreRevision is a number that changes whenever a stored score is replaced
	// by one of a later revision. Readers that keep scores use it to notice.
	ScoreRevision(ctx context.Context, id market.SeriesID) (uint64, error)
}

// ScoreQuery selects scores. Empty values select all.
type ScoreQuery struct {
	Model    string
	Horizon  int
	From, To market.Time // of the target's start: From <= t < To; zero To: to the end
}

// QuarantineStore keeps rejected inputs.
type QuarantineStore interface {
	// Quarantine keeps rejects with the time at which they were met. The same
	// reject met again (same source, line, raw and reason) is kept once.
	Quarantine(ctx context.Context, at time.Time, rejects []feed.Reject) error
	// Quarantined lists rejects, newest first, with number < before (0: newest).
	Quarantined(ctx context.Context, before uint64, limit int) ([]QuarantineRecord, error)
	// QuarantineCount is the number of rejects kept.
	QuarantineCount(ctx context.Context) (int, error)
}

// QuarantineRecord is a stored reject.
type QuarantineRecord struct {
	Num uint64 `json:"num"`
	At  market.Time
	feed.Reject
}

// EventReader reads the order in which everything was committed, over all series.
type EventReader interface {
	// LastEvent is the number of the newest event, 0 when there is none.
	LastEvent(ctx context.Context) (uint64, error)
	// EventsAfter returns up to limit events with Seq > after, ascending.
	EventsAfter(ctx context.Context, after uint64, limit int) ([]Event, error)
	// FirstEvent is the number from which on every event is still kept, 0 when there is
	// none: events of the ledger may be older.
	FirstEvent(ctx context.Context) (uint64, error)
	// Epoch identifies this store: event numbers of two epochs do not compare.
	Epoch() string
}

// Clock knows when events were committed, by the clock of the machine that did. Each
// commit has a time of its own, later than that of the commit before: where the clock
// stood still or was set back, a microsecond later.
type Clock interface {
	// SeqAt is the number of the last event that was committed at or before at; it is
	// never 0. The error is a *TooEarly when there is none.
	SeqAt(ctx context.Context, at market.Time) (uint64, error)
}

// Event is one committed fact.
type Event struct {
	Seq    uint64
	Series market.SeriesID
	Kind   EventKind
	// Key is the start of the bar in microseconds, or the number of the ledger
	// entry.
	Key int64
}

// Recent gives the newest events with what they are about, without a read of the
// database.
type Recent interface {
	// Items appends to dst the items of the events after+1, after+2 ... as far as
	// they are at hand without a hole, at most limit of them. Everything in an item
	// was committed before.
	Items(dst []Item, after uint64, limit int) []Item
}

// Item is an event with what it is about: Bar for a bar; Entry for a ledger entry,
// with Scores when that is an outcome. It must not be changed.
type Item struct {
	Event
	Bar    *BarRecord
	Entry  *ledger.Sealed
	Scores []score.Score
}

// EventKind tells what an event is about.
type EventKind uint8

// The kinds of event. An entry of the ledger has EntryEvent + its Kind.
const (
	BarEvent   EventKind = 0
	EntryEvent EventKind = 16
)

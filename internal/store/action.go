package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/foretick/foretick/market"
)

// ActionStore keeps splits and dividends. They belong to an instrument, by its key, whether
// or not one of its series is registered.
//
// What is kept is a log: what a source said of an action (the instrument, the kind, the day)
// and later something else are two records. The newest record of an action stands, whoever
// wrote it; a source that only says again what it said before adds none, so it does not
// undo what another has put right since.
type ActionStore interface {
	// PutActions adds what is new in actions, all or none, at time at, and returns how
	// many records that made. An action that is not valid is an error.
	PutActions(ctx context.Context, instrument string, at market.Time, actions ...market.Action) (kept int, err error)
	// Actions returns the actions of an instrument that stand, by day and kind.
	Actions(ctx context.Context, instrument string) ([]market.Action, error)
	// ActionLog returns up to limit records of all instruments with Num > after, in the
	// order in which they were made.
	ActionLog(ctx context.Context, after uint64, limit int) ([]ActionRecord, error)
}

// ActionRecord is what a source said of an action, when.
type ActionRecord struct {
	Num        uint64 // from 1, ascending
	Instrument string
	market.Action
	At market.Time
	// After is the number of the last event when the record was made: bars with a later
	// number were logged when it was known. So whoever reads the log again knows of a
	// split where it was known of the first time.
	After uint64
}

// StandingActions returns the actions that stand in the records of one instrument, which
// must be in order, by day and kind: those that were known when the event seq was logged;
// seq 0 means all.
func StandingActions(records []ActionRecord, seq uint64) []market.Action {
	list := []market.Action{}
	for i := range records {
		r := &records[i]
		if seq != 0 && r.After >= seq {
			continue
		}
		k := slices.IndexFunc(list, func(a market.Action) bool { return a.Ex == r.Ex && a.Kind == r.Kind })
		if k < 0 {
			list = append(list, r.Action)
		} else {
			list[k] = r.Action
		}
	}
	slices.SortFunc(list, func(a, b market.Action) int { return cmp.Or(cmp.Compare(a.Ex, b.Ex), cmp.Compare(a.Kind, b.Kind)) })
	return list
}

// NewActions returns those of actions that add to records of the same instrument: what
// their source has not said last of that action.
func NewActions(records []ActionRecord, actions []market.Action) []market.Action {
	type key struct {
		ex     market.Time
		kind   market.ActionKind
		source string
	}
	said := map[key]market.Action{}
	for i := range records {
		a := records[i].Action
		said[key{a.Ex, a.Kind, a.Source}] = a
	}
	var fresh []market.Action
	for _, a := range actions {
		k := key{a.Ex, a.Kind, a.Source}
		if was, ok := said[k]; !ok || was != a {
			said[k] = a
			fresh = append(fresh, a)
		}
	}
	return fresh
}

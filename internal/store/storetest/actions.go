package storetest

import (
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

var actionCases = []testCase{
	{"a log in which the newest stands", func(t *testing.T, s store.Store) {
		ctx := t.Context()
		put := func(want int, instrument string, at market.Time, actions ...market.Action) {
			t.Helper()
			kept, err := s.PutActions(ctx, instrument, at, actions...)
			check(t, err)
			equal(t, "kept", kept, want)
		}
		split := func(ex market.Time, ratio float64, source string) market.Action {
			return market.Action{Ex: ex, Kind: market.Split, Ratio: ratio, Source: source}
		}
		dividend := func(ex market.Time, amount float64, source string) market.Action {
			return market.Action{Ex: ex, Kind: market.Dividend, Amount: amount, Source: source}
		}
		standing := func(instrument string, want ...market.Action) {
			t.Helper()
			list, err := s.Actions(ctx, instrument)
			check(t, err)
			equal(t, "standing", list, append([]market.Action{}, want...))
		}
		standing("sim:A")
		put(0, "sim:A", 1)
		put(3, "sim:A", 1, dividend(70, 0.1, "yahoo"), split(50, 7, "yahoo"), dividend(50, 0.25, "yahoo"))
		put(0, "sim:A", 2, split(50, 7, "yahoo"), dividend(70, 0.1, "yahoo"))
		standing("sim:A", dividend(50, 0.25, "yahoo"), split(50, 7, "yahoo"), dividend(70, 0.1, "yahoo"))
		standing("sim:B")

		// Bars come, then the source corrects itself, then a person corrects the source,
		// which says what it said again; then it changes its mind.
		rec := Series("A")
		check(t, s.PutSeries(ctx, rec))
		bars := commitBars(t, s, Bars(rec.ID(), 0, 3)...)
		put(1, "sim:A", 3, split(50, 8, "yahoo"))
		standing("sim:A", dividend(50, 0.25, "yahoo"), split(50, 8, "yahoo"), dividend(70, 0.1, "yahoo"))
		put(1, "sim:A", 4, split(50, 7, "file"))
		put(0, "sim:A", 5, split(50, 8, "yahoo"))
		standing("sim:A", dividend(50, 0.25, "yahoo"), split(50, 7, "file"), dividend(70, 0.1, "yahoo"))
		put(1, "sim:B", 6, split(50, 0.1, "file"))
		put(1, "sim:A", 7, split(50, 9, "yahoo"))
		standing("sim:A", dividend(50, 0.25, "yahoo"), split(50, 9, "yahoo"), dividend(70, 0.1, "yahoo"))
		standing("sim:B", split(50, 0.1, "file"))

		log, err := s.ActionLog(ctx, 0, 100)
		check(t, err)
		want := []store.ActionRecord{
			{Instrument: "sim:A", Action: dividend(70, 0.1, "yahoo"), At: 1},
			{Instrument: "sim:A", Action: split(50, 7, "yahoo"), At: 1},
			{Instrument: "sim:A", Action: dividend(50, 0.25, "yahoo"), At: 1},
			{Instrument: "sim:A", Action: split(50, 8, "yahoo"), At: 3, After: bars},
			{Instrument: "sim:A", Action: split(50, 7, "file"), At: 4, After: bars},
			{Instrument: "sim:B", Action: split(50, 0.1, "file"), At: 6, After: bars},
			{Instrument: "sim:A", Action: split(50, 9, "yahoo"), At: 7, After: bars},
		}
		for i := range log {
			if i > 0 && log[i].Num <= log[i-1].Num || log[i].Num == 0 {
				t.Errorf("record %d has number %d", i, log[i].Num)
			}
			want[min(i, len(want)-1)].Num = log[i].Num
		}
		equal(t, "log", log, want)
		part, err := s.ActionLog(ctx, log[2].Num, 2)
		check(t, err)
		equal(t, "part of the log", part, want[3:5])
		rest, err := s.ActionLog(ctx, log[6].Num, 2)
		check(t, err)
		equal(t, "after the end", len(rest), 0)

		known := store.StandingActions(log[:5], bars) // what the last of the bars could know
		equal(t, "known by then", known, []market.Action{dividend(50, 0.25, "yahoo"), split(50, 7, "yahoo"), dividend(70, 0.1, "yahoo")})
		last, err := s.LastEvent(ctx)
		check(t, err)
		equal(t, "last event", last, bars) // an action is none
	}},
	{"all or none", func(t *testing.T, s store.Store) {
		good := market.Action{Ex: 5, Kind: market.Split, Ratio: 2}
		for name, bad := range map[string]market.Action{"kind": {Ex: 5, Kind: "merger"}, "ratio": {Ex: 5, Kind: market.Split}, "amount": {Ex: 5, Kind: market.Dividend, Amount: -1}} {
			if kept, err := s.PutActions(t.Context(), "sim:A", 1, good, bad); err == nil || kept != 0 {
				t.Errorf("%s: kept %d, %v", name, kept, err)
			}
		}
		list, err := s.Actions(t.Context(), "sim:A")
		check(t, err)
		equal(t, "actions", len(list), 0)
	}},
}

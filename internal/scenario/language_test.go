package scenario_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// commands are the words of the language. README.md documents each.
var commands map[string]func(*world, []string) error

func init() { // the table refers to itself, by history
	commands = map[string]func(*world, []string) error{
		"series": (*world).declare, "models": (*world).race, "history": (*world).history,
		"bar": (*world).bar, "bars": (*world).table, "closes": (*world).closes, "returns": (*world).returns,
		"flat": (*world).flat, "walk": (*world).walk,
		"gap": (*world).gap, "absent": (*world).absent, "revise": (*world).revise, "split": (*world).split, "delay": (*world).late,
		"snapshot": (*world).snapshot, "restart": (*world).restart, "same": (*world).same,
		"ledger": (*world).ledger, "expect": (*world).expect,
	}
}

// refused says that a bar is not fit to be taken in.
type refused struct{ error }

func (r *refused) Error() string { return "refused: " + r.error.Error() }

// options takes the arguments of the form name=value, and bare switches, out of args.
func options(args []string, names ...string) (rest []string, values map[string]string, err error) {
	values = map[string]string{}
	for _, a := range args {
		name, value, named := strings.Cut(a, "=")
		switch {
		case slices.Contains(names, name):
			values[name] = value
		case named:
			return nil, nil, fmt.Errorf("unknown option %q; choose from %s", name, strings.Join(names, ", "))
		default:
			rest = append(rest, a)
		}
	}
	return rest, values, nil
}

// declare is series.
func (w *world) declare(args []string) error {
	if w.track != nil {
		return errors.New("series: a scenario has one")
	}
	args, opt, err := options(args, "calendar", "from", "horizons", "mode", "late-after", "below-zero")
	if err != nil || len(args) != 1 {
		return fmt.Errorf("series: want VENUE:SYMBOL@INTERVAL: %v", err)
	}
	key, interval, _ := strings.Cut(args[0], "@")
	venue, symbol, _ := strings.Cut(key, ":")
	if w.cfg.Series.Interval, err = market.ParseInterval(interval); err != nil {
		return err
	}
	_, belowZero := opt["below-zero"]
	w.cfg.Series.Instrument = market.Instrument{Venue: venue, Symbol: symbol, AllowNonPositive: belowZero}
	if w.cfg.Calendar, err = market.CalendarByName(or(opt["calendar"], "24x7")); err != nil {
		return err
	}
	if w.next, err = parseTime(or(opt["from"], "2020-01-01")); err != nil {
		return err
	}
	for h := range strings.SplitSeq(or(opt["horizons"], "1,2"), ",") {
		n, err := strconv.Atoi(h)
		if err != nil {
			return fmt.Errorf("series: horizon %q", h)
		}
		w.cfg.Horizons = append(w.cfg.Horizons, n)
	}
	if err := w.cfg.Mode.UnmarshalText([]byte(or(opt["mode"], "replay"))); err != nil {
		return err
	}
	w.cfg.LateAfter, err = time.ParseDuration(or(opt["late-after"], "1s"))
	return err
}

// race is models. Once bars have come it is a restart with other models.
func (w *world) race(args []string) error {
	list, err := catalog.Select(nil, args...)
	if err != nil || len(args) == 0 {
		return fmt.Errorf("models: want names: %v", err)
	}
	w.models = list
	if w.track == nil {
		w.first = list
		w.track, err = w.fresh()
		return err
	}
	w.mixed = true
	w.events = append(w.events, event{models: list})
	return w.restore(w.track.Snapshot(), w.bars, nil)
}

// fresh is a track that has seen nothing.
func (w *world) fresh() (*track.Track, error) {
	cfg := w.cfg
	cfg.Models = catalog.Forecasters(w.models)
	return track.New(cfg)
}

// history runs another command whose bars are learnt from and not forecast.
func (w *world) history(args []string) error {
	if len(args) == 0 || !slices.Contains([]string{"bar", "bars", "closes", "returns", "flat", "walk"}, args[0]) {
		return errors.New("history: want a command that makes bars")
	}
	w.backfill = true
	defer func() { w.backfill = false }()
	return commands[args[0]](w, args[1:])
}

// late is delay.
func (w *world) late(args []string) error {
	if len(args) != 1 {
		return errors.New("delay: want a duration")
	}
	if w.cfg.Mode != ledger.Live {
		return errors.New("delay: only a series with mode=live has a clock")
	}
	var err error
	w.delay, err = time.ParseDuration(args[0])
	return err
}

// ledger prints the chain in words, or its last entries.
func (w *world) ledger(args []string) error {
	args, opt, err := options(args, "last")
	if err != nil || len(args) > 0 {
		return fmt.Errorf("ledger: want nothing or last=N: %v", err)
	}
	n := len(w.entries)
	if s := opt["last"]; s != "" {
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > len(w.entries) {
			return fmt.Errorf("ledger: last=%s of %d entries", s, len(w.entries))
		}
	}
	for _, s := range w.entries[len(w.entries)-n:] {
		e, err := ledger.Decode(s.Bytes)
		if err != nil {
			return err
		}
		fmt.Fprint(w.out, w.words(e))
	}
	return nil
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func names[T any](m map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

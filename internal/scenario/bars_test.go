package scenario_test

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/foretick/foretick/market"
)

// add feeds a bar at the place where the next one belongs.
func (w *world) add(open, high, low, last float64) error {
	i := w.cfg.Series.Interval
	b := market.Bar{Start: w.next, End: i.End(w.next), Open: open, High: high, Low: low, Close: last}
	if err := w.feed(b); err != nil {
		return err
	}
	w.next = i.Next(b.Start, w.cfg.Calendar)
	return nil
}

// follow feeds a bar that opens at the close before it and goes straight to its own.
func (w *world) follow(last float64) error {
	open := last
	if n := len(w.bars); n > 0 {
		open = w.bars[n-1].Close
	}
	return w.add(open, max(open, last), min(open, last), last)
}

// bar is bar [TIME] OPEN HIGH LOW CLOSE.
func (w *world) bar(args []string) error {
	if err := w.fed(); err != nil {
		return err
	}
	return w.one(args)
}

func (w *world) one(args []string) error {
	if len(args) == 5 {
		t, err := parseTime(args[0])
		if err != nil {
			return err
		}
		if n := len(w.bars); n > 0 && t <= w.bars[n-1].Start {
			return fmt.Errorf("bar: %s; the next bar comes after %s: revise changes a bar that was", args[0], w.time(w.bars[n-1].Start))
		}
		w.next, args = t, args[1:]
	}
	p, err := numbers(args)
	if err != nil || len(p) != 4 {
		return fmt.Errorf("bar: want [TIME] OPEN HIGH LOW CLOSE: %v", err)
	}
	return w.add(p[0], p[1], p[2], p[3])
}

// table is bars FILE: lines of time,open,high,low,close.
func (w *world) table(args []string) error {
	if err := w.fed(); err != nil || len(args) != 1 {
		return errors.Join(err, errors.New("bars: want a file"))
	}
	rows, err := csv.NewReader(strings.NewReader(w.file(args[0]))).ReadAll()
	if err != nil {
		return fmt.Errorf("bars: %w", err)
	}
	for i, row := range rows {
		if err := w.one(row); err != nil {
			return fmt.Errorf("bars: line %d: %w", i+1, err)
		}
	}
	return nil
}

func (w *world) closes(args []string) error {
	if err := w.fed(); err != nil {
		return err
	}
	p, err := numbers(args)
	if err != nil {
		return fmt.Errorf("closes: %w", err)
	}
	if len(p) == 0 {
		return errors.New("closes: needs prices")
	}
	for _, last := range p {
		if err := w.follow(last); err != nil {
			return err
		}
	}
	return nil
}

// returns is returns PERCENT... [times=N]: log returns from close to close, over and over.
func (w *world) returns(args []string) error {
	if err := w.fed(); err != nil {
		return err
	}
	args, opt, err := options(args, "times")
	if err != nil {
		return err
	}
	times, err := strconv.Atoi(or(opt["times"], "1"))
	if err != nil {
		return fmt.Errorf("returns: times=%s", opt["times"])
	}
	for i, a := range args {
		args[i] = strings.TrimSuffix(a, "%")
	}
	percent, err := numbers(args)
	if err != nil || len(percent) == 0 {
		return fmt.Errorf("returns: want percentages: %v", err)
	}
	// Each price is computed from where the command began, so that rounding does not add
	// up: returns that sum to 0 lead back to that price exactly.
	sum, from := 0.0, w.last()
	for range times {
		for _, r := range percent {
			sum += r
			if err := w.follow(from * math.Exp(math.Round(sum*1e6)/1e8)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) flat(args []string) error {
	if err := w.fed(); err != nil {
		return err
	}
	n, err := count("flat", args)
	for i := 0; i < n && err == nil; i++ {
		err = w.follow(w.last())
	}
	return err
}

// walk is walk N seed=S [step=PERCENT]: a random walk with normal steps.
func (w *world) walk(args []string) error {
	if err := w.fed(); err != nil {
		return err
	}
	args, opt, err := options(args, "seed", "step")
	if err != nil {
		return err
	}
	n, err := count("walk", args)
	seed, err2 := strconv.ParseUint(opt["seed"], 10, 64)
	step, err3 := strconv.ParseFloat(strings.TrimSuffix(or(opt["step"], "1%"), "%"), 64)
	if err := errors.Join(err, err2, err3); err != nil {
		return fmt.Errorf("walk: %w", err)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	for range n {
		if err := w.follow(w.last() * math.Exp(step/100*r.NormFloat64())); err != nil {
			return err
		}
	}
	return nil
}

// last is the close of the newest bar, 100 when there is none.
func (w *world) last() float64 {
	if n := len(w.bars); n > 0 {
		return w.bars[n-1].Close
	}
	return 100
}

// gap skips bars that were traded, but not received.
func (w *world) gap(args []string) error {
	w.lost = true
	return w.skip("gap", args)
}

// absent skips bars in which nobody traded.
func (w *world) absent(args []string) error { return w.skip("absent", args) }

func (w *world) skip(name string, args []string) error {
	n, err := count(name, args)
	for range n {
		w.next = w.cfg.Series.Interval.Next(w.next, w.cfg.Calendar)
	}
	return err
}

// revise is revise TIME [OPEN HIGH LOW] CLOSE.
func (w *world) revise(args []string) error {
	if err := w.fed(); err != nil || len(args) == 0 {
		return errors.Join(err, errors.New("revise: want TIME [OPEN HIGH LOW] CLOSE"))
	}
	t, err := parseTime(args[0])
	if err != nil {
		return err
	}
	p, err := numbers(args[1:])
	if err != nil || len(p) != 1 && len(p) != 4 {
		return fmt.Errorf("revise: want TIME [OPEN HIGH LOW] CLOSE: %v", err)
	}
	for _, b := range w.bars {
		if b.Start != t {
			continue
		}
		b.Revision++
		if len(p) == 4 {
			b.Open, b.High, b.Low = p[0], p[1], p[2]
		}
		b.Close = p[len(p)-1]
		b.High, b.Low = max(b.High, b.Close), min(b.Low, b.Close)
		return w.feed(b)
	}
	return fmt.Errorf("revise: there is no bar of %s", args[0])
}

// split is split NEW:OLD [TIME], announced before the bars that follow.
func (w *world) split(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("split: want NEW:OLD [TIME]")
	}
	a := market.Action{Ex: w.next, Kind: market.Split, Source: "scenario"}
	after, before, _ := strings.Cut(args[0], ":")
	p, err := numbers([]string{after, before})
	if err != nil {
		return fmt.Errorf("split: %w", err)
	}
	a.Ratio = p[0] / p[1]
	if len(args) == 2 {
		if a.Ex, err = parseTime(args[1]); err != nil {
			return err
		}
	}
	if err := a.Validate(); err != nil {
		return err
	}
	w.splits = append(w.splits, a)
	w.events = append(w.events, event{split: &a})
	return nil
}

func numbers(args []string) ([]float64, error) {
	list := make([]float64, len(args))
	for i, a := range args {
		var err error
		if list[i], err = strconv.ParseFloat(a, 64); err != nil {
			return nil, fmt.Errorf("%q is not a number", a)
		}
	}
	return list, nil
}

func count(name string, args []string) (int, error) {
	if len(args) != 1 {
		return 0, fmt.Errorf("%s: want a number of bars", name)
	}
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s: want a number of bars, not %q", name, args[0])
	}
	return n, nil
}

// Package replay plays recorded files as if they happened now: at the pace of the
// market, many times as fast, or as fast as the machine can go.
//
// The files are merged by time. A bar becomes known at its end, a tick at its time;
// that instant is Message.Clock, and the clock of the data never goes back. What is
// sent at one instant for one instrument is one message, whatever the speed, so that
// nothing downstream can depend on it: fast and slow replays give the same bars,
// forecasts and scores. What lies before Options.Start is sent at once as history.
// Splits and dividends that files come with are told before all else.
//
// Files cannot wait for Monday: a stretch without data, a night or a weekend, is
// waited for only a moment (Options.MaxPause). The calendar of recorded bars is the
// recording itself, see market.Recorded, so the bar after Friday's last is Monday's
// first. Ticks do not tell when a market was closed from when nobody traded; their
// instruments trade around the clock.
package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
)

// Name is the name of the source.
const Name = "replay"

// DefaultMaxPause is the longest wait for the next data unless Options.MaxPause says
// otherwise.
const DefaultMaxPause = 5 * time.Second

// Sizes of messages that are not of one instant.
const (
	historyRows = 4096
	rejectRows  = 1000
)

// Options say how to play. The zero value plays everything as fast as possible.
type Options struct {
	// Speed is how many times faster than recorded to play; 0 means as fast as
	// possible.
	Speed float64
	// Start splits history from what is played: bars that ended at or before it, and
	// ticks before the bar that it lies in, are sent at once as backfill. Zero plays
	// everything.
	Start market.Time
	// MaxPause bounds the wait for the next data, unless an interval takes longer at
	// this speed, which then is the bound. 0 means DefaultMaxPause, a negative one
	// waits however long the market was closed.
	MaxPause time.Duration
	// Now is the clock by which the replay is paced; it is needed when Speed is not
	// 0.
	Now func() time.Time
	// Sleep waits for d or until ctx is done. Nil waits by a timer.
	Sleep func(ctx context.Context, d time.Duration)
}

// Source is a feed.Source that plays files. It may be run again, which plays again.
// Its messages share memory with the files: a receiver must not change them.
type Source struct {
	opt     Options
	info    feed.Info
	tracks  []track
	actions [][]market.Action // of each track
	rejects []feed.Reject
	kept    int
	refused int
	done    atomic.Int64
}

// track is the data of one series.
type track struct {
	key      string
	interval market.Interval
	bars     []market.Bar
	ticks    []market.Tick
}

// New returns a source that plays files, which it does not change. Files of one
// series are merged: of two bars with the same start, or that overlap, the one of
// the file named first is kept (of equal ends within one file, see package csv) and
// the other is refused. New fails when files give one instrument in two ways (two
// intervals, or bars and ticks), because a message names only the instrument.
func New(files []*csv.File, opt Options) (*Source, error) {
	if math.IsNaN(opt.Speed) || math.IsInf(opt.Speed, 0) || opt.Speed < 0 {
		return nil, fmt.Errorf("replay: speed %v is not a number of at least 0", opt.Speed)
	}
	if opt.Speed > 0 && opt.Now == nil {
		return nil, errors.New("replay: a paced replay needs a clock")
	}
	if opt.MaxPause == 0 {
		opt.MaxPause = DefaultMaxPause
	}
	if opt.Sleep == nil {
		opt.Sleep = sleep
	}
	if len(files) == 0 {
		return nil, errors.New("replay: no file to play")
	}
	s := &Source{opt: opt, info: feed.Info{Name: Name, Replay: true, Calendars: map[string]market.Calendar{}}}
	groups := map[string][]*csv.File{}
	var keys []string
	for _, f := range files {
		if f.Kept() == 0 {
			return nil, fmt.Errorf("replay: %s has no row to play", f.Name)
		}
		if err := f.Series.Validate(); err != nil {
			return nil, fmt.Errorf("replay: %s: %w", f.Name, err)
		}
		key := f.Series.Instrument.Key()
		if first := groups[key]; first == nil {
			keys = append(keys, key)
		} else if g := first[0]; g.Series.Interval != f.Series.Interval || (g.Kind == csv.Ticks) != (f.Kind == csv.Ticks) {
			return nil, fmt.Errorf("replay: %s gives %s as %s of %s and %s as %s of %s; name the instrument of one of them with --instrument",
				g.Name, key, g.Kind, g.Series.Interval, f.Name, f.Kind, f.Series.Interval)
		}
		groups[key] = append(groups[key], f)
	}
	for _, key := range keys {
		s.add(key, groups[key])
	}
	return s, nil
}

// add makes a track of the files of one series.
func (s *Source) add(key string, files []*csv.File) {
	series := files[0].Series
	t := track{key: key, interval: series.Interval}
	for _, f := range files {
		s.rejects = append(s.rejects, f.Rejects...)
		s.refused += f.Refused
		series.Instrument.PriceScale = max(series.Instrument.PriceScale, f.Series.Instrument.PriceScale)
	}
	if files[0].Kind == csv.Ticks {
		t.ticks = mergeTicks(files)
		series.Instrument.Calendar = market.Always.Name()
		s.info.Calendars[key] = market.Always
	} else {
		var refused []feed.Reject
		t.bars, refused = mergeBars(files)
		s.rejects, s.refused = append(s.rejects, refused...), s.refused+len(refused)
		starts := make([]market.Time, len(t.bars))
		for i := range t.bars {
			starts[i] = t.bars[i].Start
		}
		calendar := market.Recorded(series.Interval, starts)
		series.Instrument.Calendar = calendar.Name()
		s.info.Calendars[key] = calendar
	}
	s.kept += len(t.bars) + len(t.ticks)
	s.info.Series = append(s.info.Series, series)
	s.tracks = append(s.tracks, t)
	var actions []market.Action
	for _, f := range files {
		actions = append(actions, f.Actions...)
	}
	s.actions = append(s.actions, actions)
}

// Info describes the source. The caller must not change what it refers to.
func (s *Source) Info() feed.Info { return s.info }

// Progress is the number of rows that were sent, or need not be, and of all rows. It
// is safe for concurrent use.
func (s *Source) Progress() (done, total int64) { return s.done.Load(), int64(s.kept) }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// mergeTicks returns the ticks of all files by time; equal times in the order of the
// files.
func mergeTicks(files []*csv.File) []market.Tick {
	if len(files) == 1 {
		return files[0].Ticks
	}
	var all []market.Tick
	for _, f := range files {
		all = append(all, f.Ticks...)
	}
	slices.SortStableFunc(all, func(a, b market.Tick) int { return cmp.Compare(a.Time, b.Time) })
	return all
}

// mergeBars returns the bars of all files by start, and those that collide with bars
// of files named earlier.
func mergeBars(files []*csv.File) ([]market.Bar, []feed.Reject) {
	kept := files[0].Bars
	var refused []feed.Reject
	for _, f := range files[1:] {
		before, merged := kept, make([]market.Bar, 0, len(kept)+len(f.Bars))
		i := 0
		for _, b := range f.Bars {
			for i < len(before) && before[i].End <= b.Start {
				merged = append(merged, before[i])
				i++
			}
			if i < len(before) && before[i].Start < b.End {
				refused = append(refused, feed.Reject{
					Source: f.Name, Instrument: f.Series.Instrument.Key(), Raw: b.Start.String(),
					Reason: fmt.Sprintf("another file has a bar from %s to %s, which is kept", before[i].Start, before[i].End),
				})
				continue
			}
			merged = append(merged, b)
		}
		kept = append(merged, before[i:]...)
	}
	return kept, refused
}

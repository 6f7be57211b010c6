package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

type feedsCmd struct {
	List  feedsListCmd  `cmd:"" help:"List the venues: what they give, what they need."`
	Check feedsCheckCmd `cmd:"" help:"Connect to a venue, show what comes, and say what is wrong when nothing does."`
}

type feedsListCmd struct {
	JSON bool `help:"Print JSON."`
}

// venueRow is a venue as feeds list prints it.
type venueRow struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Example string   `json:"example"`
	Live    string   `json:"live"`
	History string   `json:"history"`
	Limits  string   `json:"limits"`
	Caution string   `json:"caution"`
	Keys    []string `json:"keys"`
	Ready   bool     `json:"ready"` // no key is missing
}

func venueRows() []venueRow {
	var rows []venueRow
	for _, v := range catalog.Venues {
		a := v(venue.Setup{}).About()
		row := venueRow{Name: a.Name, Title: a.Title, Example: a.Name + ":" + a.Example, Live: a.Live, History: a.History, Limits: a.Limits, Caution: a.Caution, Keys: a.Keys, Ready: true}
		for _, k := range a.Keys {
			row.Ready = row.Ready && app.Key(k) != ""
		}
		rows = append(rows, row)
	}
	return rows
}

func (c *feedsListCmd) Run(t *terminal) error {
	rows := venueRows()
	if c.JSON {
		return json.NewEncoder(t.stdout).Encode(rows)
	}
	for i, r := range rows {
		if i > 0 {
			fmt.Fprintln(t.stdout)
		}
		key := "none"
		if len(r.Keys) > 0 {
			key = strings.Join(r.Keys, ", ") + map[bool]string{true: " (set)", false: " (not set)"}[r.Ready]
		}
		w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "%s\t%s, such as %s\n", r.Name, r.Title, r.Example)
		for _, line := range [][2]string{{"live", r.Live}, {"history", r.History}, {"key", key}, {"limits", r.Limits}, {"caution", r.Caution}} {
			fmt.Fprintf(w, "  %s\t%s\n", line[0], line[1])
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

type feedsCheckCmd struct {
	Instrument string        `arg:"" help:"VENUE:SYMBOL or VENUE:SYMBOL@INTERVAL, such as kraken:BTC/USD."`
	For        time.Duration `default:"10s" help:"How long to listen."`
	Endpoint   []string      `sep:"none" placeholder:"VENUE=URL" help:"Address of a venue in place of its own."`
	Unofficial bool          `help:"Permit venues that are not meant to be used by programs (yahoo)."`
}

func (c *feedsCheckCmd) Run(t *terminal) error {
	src, want, err := liveSource(c.Instrument, app.LiveConfig{Endpoint: c.Endpoint, Unofficial: c.Unofficial}, venue.Options{Now: time.Now})
	if err != nil {
		return err
	}
	s := src.Info().Series[0]
	fmt.Fprintf(t.stdout, "%s: listening for %s\n", s.ID(), c.For)
	seen := listen(t.ctx, src, c.For, func(line string) { fmt.Fprintln(t.stdout, line) })
	return seen.verdict(t, src, want)
}

// liveSource makes the feed of one instrument.
func liveSource(instrument string, c app.LiveConfig, opt venue.Options) (*venue.Source, app.Wanted, error) {
	w, err := app.ParseWanted(instrument, market.Interval{})
	if err != nil {
		return nil, w, &usageError{err}
	}
	if c.History == "" { // enough to see that there is one
		c.History = (3 * w.Interval.Duration()).String()
	}
	list, err := app.VenueSources(&c, []app.Wanted{w}, opt)
	if err != nil {
		return nil, w, &usageError{err}
	}
	return list[0], w, nil
}

// heard is what came of a feed.
type heard struct {
	ticks, bars, history, rejects int
	link                          *feed.Link
	last                          string // state
	unreached                     bool   // it stalled, and did not run since
	err                           error
}

// shownTicks is how many ticks are printed before they are only counted.
const shownTicks = 5

// listen follows a feed for a while and tells what it says.
func listen(ctx context.Context, src feed.Source, d time.Duration, say func(string)) *heard {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	out := make(chan feed.Message)
	ended := make(chan error, 1)
	nothing := func(market.SeriesID) (market.Time, bool) { return 0, false }
	go func() { ended <- src.Run(ctx, nothing, out) }()
	h := &heard{}
	for {
		select {
		case h.err = <-ended:
			return h
		case m := <-out:
			h.take(&m, say)
		}
	}
}

func (h *heard) take(m *feed.Message, say func(string)) {
	at := time.Now().UTC().Format("15:04:05.000")
	if m.State != "" && m.State != feed.Finished {
		h.last = string(m.State)
		h.unreached = m.State == feed.Stalled || h.unreached && m.State != feed.Running
		if m.Detail != "" {
			h.last += ": " + m.Detail
		}
		say(at + "  " + h.last)
	}
	for _, r := range m.Rejects {
		if h.rejects++; h.rejects <= shownTicks {
			say(fmt.Sprintf("%s  cannot be used (%s): %.100q", at, r.Reason, r.Raw))
		}
	}
	for _, t := range m.Ticks {
		if h.ticks++; h.ticks <= shownTicks {
			say(fmt.Sprintf("%s  trade of %s: %v at %v", at, t.Time, t.Size, t.Price))
		}
	}
	if m.Backfill {
		h.history += len(m.Bars)
		return
	}
	for _, b := range m.Bars {
		h.bars++
		say(fmt.Sprintf("%s  bar of %s: open %v, high %v, low %v, close %v, volume %v", at, b.Start, b.Open, b.High, b.Low, b.Close, b.Volume))
	}
	if m.Link != nil {
		h.link = m.Link
	}
	for _, sp := range m.Lost {
		say(fmt.Sprintf("%s  not to be had: %s to %s, %s", at, sp.Start, sp.End, m.Detail))
	}
}

// verdict says how the feed is, and what to do.
func (h *heard) verdict(t *terminal, src *venue.Source, w app.Wanted) error {
	if h.err != nil {
		fmt.Fprintf(t.stdout, "The venue refuses: %v\n", h.err)
		return errFailed
	}
	if errors.Is(t.ctx.Err(), context.Canceled) {
		return t.ctx.Err()
	}
	frames := uint64(0)
	if h.link != nil {
		frames = h.link.Frames
		if h.link.Measured {
			fmt.Fprintf(t.stdout, "The venue's clock is %+.2f s from this machine's.\n", h.link.Offset)
		}
		if h.link.Refused != "" {
			fmt.Fprintf(t.stdout, "The venue refuses: %s\n", h.link.Refused)
			return errFailed
		}
	}
	s := src.Info().Series[0]
	switch {
	case h.ticks+h.bars > 0 || frames > 0 && strings.HasPrefix(h.last, string(feed.Running)):
		fmt.Fprintf(t.stdout, "It works: %d messages, %d trades, %d bars, %d bars of history.\n", frames, h.ticks, h.bars, h.history)
		if h.ticks+h.bars == 0 {
			fmt.Fprintf(t.stdout, "No bar has ended and no trade has come meanwhile; a bar of %s takes %s.\n", s.ID(), s.Interval)
		}
		return nil
	case h.history > 0:
		fmt.Fprintf(t.stdout, "It works: %d bars of history; it is asked again when the next bar has ended.\n", h.history)
		return nil
	}
	fmt.Fprintf(t.stdout, "Nothing came. The last that was heard: %s\n", h.last)
	if cal, ok := src.Info().Calendars[s.Instrument.Key()].(market.Sessions); ok && !h.unreached {
		if open, _, trades := cal.Session(market.TimeOf(time.Now())); !trades {
			fmt.Fprintf(t.stdout, "%s does not trade now; its next session begins at %s.\n", w.Symbol, open)
			return nil
		}
	}
	fmt.Fprintln(t.stdout, "Is this machine on the internet, and may it reach the venue? A proxy is taken from HTTPS_PROXY.")
	return errFailed
}

type recordCmd struct {
	Instrument []string      `required:"" sep:"none" help:"VENUE:SYMBOL@INTERVAL, such as kraken:BTC/USD@1m; may be given several times."`
	Out        string        `default:"recordings" type:"path" help:"Folder for the recordings, one file a venue."`
	For        time.Duration `default:"0s" help:"How long to record; 0s: until it is stopped."`
	app.LiveConfig
}

func (c *recordCmd) Run(t *terminal) (err error) {
	var want []app.Wanted
	for _, i := range c.Instrument {
		w, err := app.ParseWanted(i, market.Interval{})
		if err != nil {
			return usage("--instrument %w", err)
		}
		want = append(want, w)
	}
	rec, err := app.NewRecorder(c.Out, time.Now)
	if err != nil {
		return usage("--out: %w", err)
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	list, err := app.VenueSources(&c.LiveConfig, want, venue.Options{Now: time.Now, Record: rec.Tap})
	if err != nil {
		return &usageError{err}
	}
	d := c.For
	if d == 0 {
		d = 100 * 365 * 24 * time.Hour
	}
	done := make(chan *heard)
	for _, s := range list {
		go func() {
			name := s.Info().Name
			done <- listen(t.ctx, s, d, func(line string) {
				if strings.Contains(line, string(feed.Stalled)) || strings.Contains(line, string(feed.Connecting)) || strings.Contains(line, string(feed.Running)) {
					fmt.Fprintf(t.stderr, "%s  %s\n", name, line)
				}
			})
		}()
	}
	for range list {
		h := <-done
		err = errors.Join(err, h.err)
		fmt.Fprintf(t.stderr, "%d trades, %d bars and %d bars of history\n", h.ticks, h.bars, h.history)
	}
	files, bytes := rec.Files()
	for _, f := range files {
		fmt.Fprintf(t.stdout, "%s\n", f)
	}
	fmt.Fprintf(t.stderr, "%d bytes received; play it back with: foretick serve --feed replay --file FILE --speed 60\n", bytes)
	return err
}

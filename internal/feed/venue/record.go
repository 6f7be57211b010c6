package venue

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Input is something that happened to a source: all that decides what it says.
type Input struct {
	At     market.Time `json:"at"` // by this machine's clock
	Kind   string      `json:"kind"`
	Data   []byte      `json:"data,omitempty"` // the frame, or the body of the answer, as it came
	Reason string      `json:"reason,omitempty"`
	Final  bool        `json:"final,omitempty"`
	Sent   market.Time `json:"sent,omitempty"` // when the venue says that it answered
	Query  *query      `json:"query,omitempty"`
	Config *header     `json:"config,omitempty"` // of begin
}

// The kinds of input.
const (
	kindBegin  = "begin"  // the source is started
	kindOpen   = "open"   // a connection stands
	kindFrame  = "frame"  // a frame came
	kindAnswer = "answer" // a request was answered, or not: Reason
	kindClose  = "close"  // the connection is lost
	kindTick   = "tick"   // time went by
)

// header is what a source was started with.
type header struct {
	Venue   string                    `json:"venue"`
	Series  []market.SeriesID         `json:"series"`
	Symbols []string                  `json:"symbols"`
	Every   []market.Interval         `json:"every"`
	Stored  map[market.SeriesID]int64 `json:"stored"` // start of the last stored bar
	History time.Duration             `json:"history"`
	Silence time.Duration             `json:"silence"`
	Grace   time.Duration             `json:"grace"`
}

func (s *Source) header(resume feed.Resume) *header {
	h := &header{Venue: s.info.Name, Stored: map[market.SeriesID]int64{}, History: s.opt.History, Silence: s.opt.Silence, Grace: s.opt.Grace}
	for _, x := range s.info.Series {
		h.Series, h.Symbols, h.Every = append(h.Series, x.ID()), append(h.Symbols, x.Instrument.Symbol), append(h.Every, x.Interval)
		if at, ok := resume(x.ID()); ok {
			h.Stored[x.ID()] = int64(at)
		}
	}
	return h
}

// act lets the machine act on an input.
func (m *machine) act(in *Input) {
	switch in.Kind {
	case kindOpen:
		m.onOpen(in.At)
	case kindFrame:
		m.onFrame(in.At, in.Data)
	case kindClose:
		m.onClose(in.At, in.Reason)
	case kindTick:
		m.onTick(in.At)
	case kindAnswer:
		var err error
		switch {
		case in.Final:
			err = fmt.Errorf("%w: %s", ErrFinal, in.Reason)
		case in.Reason != "":
			err = errors.New(in.Reason)
		}
		if in.Sent != 0 && m.polled() {
			m.dated(in.At, in.Sent)
		}
		m.onAnswer(in.At, *in.Query, in.Data, err)
	}
}

// ErrRecording says that a file is not a recording, or not one of a known venue.
var ErrRecording = errors.New("not a recording of a feed")

// Recorder writes inputs as JSON, a line each. Secrets are never part of them.
type Recorder struct {
	w   *bufio.Writer
	enc *json.Encoder
	err error
}

// NewRecorder returns a recorder.
func NewRecorder(w io.Writer) *Recorder {
	b := bufio.NewWriter(w)
	return &Recorder{w: b, enc: json.NewEncoder(b)}
}

// Put writes one input. What goes wrong is returned by Flush.
func (r *Recorder) Put(in Input) {
	if r.err == nil {
		r.err = r.enc.Encode(in)
	}
}

// Flush writes what is buffered, and returns the first error.
func (r *Recorder) Flush() error {
	if err := r.w.Flush(); r.err == nil {
		r.err = err
	}
	return r.err
}

// Recording is a recorded feed. It implements feed.Source: it says again what the feed said,
// message by message, with the time at which it said it as the clock.
type Recording struct {
	inputs []Input
	info   feed.Info
	a      Adapter
	grace  time.Duration
	speed  float64
	now    func() time.Time
}

// maxLine bounds a line of a recording.
const maxLine = 4*maxAnswer/3 + 1<<20

// ReadRecording reads a recording. find returns the adapter of a venue; speed times as fast as
// it was recorded it is played, 0 for as fast as possible; grace is how long ticks were waited
// for when it was recorded. The error wraps ErrRecording.
func ReadRecording(r io.Reader, find func(venue string) (Adapter, error), speed float64, grace time.Duration, now func() time.Time) (*Recording, error) {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)
	rec := &Recording{grace: grace, speed: speed, now: now}
	for n := 1; s.Scan(); n++ {
		var in Input
		if err := json.Unmarshal(s.Bytes(), &in); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrRecording, n, err)
		}
		if n == 1 && (in.Kind != kindBegin || in.Config == nil) {
			return nil, fmt.Errorf("%w: it does not say what was recorded", ErrRecording)
		}
		if k := len(rec.inputs); k > 0 && in.At < rec.inputs[k-1].At {
			in.At = rec.inputs[k-1].At // the machine's clock was set back
		}
		if in.Kind == kindAnswer && (in.Query == nil || in.Query.Line < 0 || in.Query.Line >= len(rec.inputs[0].Config.Series)) {
			return nil, fmt.Errorf("%w: line %d: an answer to nothing", ErrRecording, n)
		}
		rec.inputs = append(rec.inputs, in)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecording, err)
	}
	if len(rec.inputs) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrRecording)
	}
	h := rec.inputs[0].Config
	a, err := find(h.Venue)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecording, err)
	}
	if len(h.Symbols) != len(h.Every) || len(h.Symbols) != len(h.Series) {
		return nil, fmt.Errorf("%w: it names %d symbols and %d intervals", ErrRecording, len(h.Symbols), len(h.Every))
	}
	var series []market.Series
	for i, symbol := range h.Symbols {
		series = append(series, market.Series{Instrument: market.Instrument{Symbol: symbol}, Interval: h.Every[i]})
	}
	src, err := New(a, series, Options{Now: now})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRecording, err)
	}
	rec.a, rec.info = a, src.info
	rec.info.Replay = true
	return rec, nil
}

// Info describes the recorded feed.
func (r *Recording) Info() feed.Info { return r.info }

// Run implements feed.Source. What is stored already is said again where the machine needs it,
// and left out of what is sent.
func (r *Recording) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	h := r.inputs[0].Config
	stored := func(id market.SeriesID) (market.Time, bool) { at, ok := h.Stored[id]; return market.Time(at), ok }
	m, err := newMachine(r.a, config{series: r.info.Series, calendars: r.info.Calendars, depth: h.History, silence: h.Silence, grace: h.Grace}, stored, r.inputs[0].At)
	if err != nil {
		return err
	}
	send := func(msg feed.Message) bool {
		select {
		case out <- msg:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if !send(feed.Message{State: feed.Running}) {
		return nil
	}
	began, first := r.now(), r.inputs[0].At
	for i := range r.inputs {
		in := &r.inputs[i]
		if r.speed > 0 {
			due := began.Add(time.Duration(float64(in.At.Sub(first)) / r.speed))
			if !sleep(ctx, due.Sub(r.now())) {
				return nil
			}
		}
		m.act(in)
		m.asks = m.asks[:0]
		// Live, a bar of ticks is final when grace has gone by after its end.
		clock := in.At.Add(-r.grace)
		for _, msg := range m.out {
			if msg = r.fresh(msg, resume); len(msg.Bars)+len(msg.Ticks)+len(msg.Rejects)+len(msg.Lost) == 0 {
				continue
			}
			msg.State, msg.Link = "", nil
			if !msg.Backfill {
				msg.Clock = clock
			}
			if !send(msg) {
				return nil
			}
		}
		m.out = nil
		if in.Kind != kindBegin && !send(feed.Message{Clock: clock}) {
			return nil
		}
	}
	send(feed.Message{State: feed.Finished, Detail: "the recording has ended"})
	return nil
}

// fresh leaves out what is stored.
func (r *Recording) fresh(m feed.Message, resume feed.Resume) feed.Message {
	for _, s := range r.info.Series {
		last, ok := resume(s.ID())
		if s.Instrument.Key() != m.Instrument || !ok {
			continue
		}
		end := s.Interval.End(last)
		var bars []market.Bar
		for _, b := range m.Bars {
			if b.Start > last {
				bars = append(bars, b)
			}
		}
		var ticks []market.Tick
		for _, t := range m.Ticks {
			if t.Time >= end {
				ticks = append(ticks, t)
			}
		}
		m.Bars, m.Ticks = bars, ticks
	}
	return m
}

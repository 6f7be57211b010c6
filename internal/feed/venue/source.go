package venue

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Options say how a source works. The zero value of all but Now is usable.
type Options struct {
	Now func() time.Time
	// Rand returns a number in [0, 1) that spreads reconnects.
	Rand func() float64
	// History is how far back bars are asked for when none is stored.
	History time.Duration
	// Dial and TLS replace how connections are made: for tests.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	TLS  *tls.Config
	// Silence replaces the venue's own limit, First and Longest the waits between
	// connections, 1 s and 60 s.
	Silence        time.Duration
	First, Longest time.Duration
	// Grace is how long after its end a streamed bar that nothing closed is final: 2 s.
	Grace time.Duration
	// Pace is how many times as fast as the wall clock Now runs: for tests. 0 means 1.
	Pace float64
	// Record, when not nil, returns the Tap of a venue.
	Record func(venue string) func(Input)
	// Progress, when not nil, is told how far the history of a series has been fetched.
	Progress func(Progress)
	// Tap is told of every input of the machine, before it acts on it.
	Tap func(Input)
}

// Progress is how far a history has been fetched.
type Progress struct {
	Series         market.SeriesID
	From, At, Till market.Time // from the first bar that was asked for to the present
	Bars           int         // so far
	Done           bool
}

// Source is the feed of one venue. It implements feed.Source.
type Source struct {
	a    Adapter
	opt  Options
	info feed.Info
}

// maxSeries bounds the series of a source.
const maxSeries = 500

// New returns the feed of the series. The error wraps ErrSymbol when the venue does not offer
// one of them.
func New(a Adapter, series []market.Series, opt Options) (*Source, error) {
	if len(series) == 0 || len(series) > maxSeries {
		return nil, fmt.Errorf("%w: %d series of %s; choose 1 to %d", ErrSymbol, len(series), a.About().Title, maxSeries)
	}
	if opt.Rand == nil {
		opt.Rand = rand.Float64
	}
	if opt.First == 0 {
		opt.First = time.Second
	}
	if opt.Longest == 0 {
		opt.Longest = time.Minute
	}
	if opt.Pace == 0 {
		opt.Pace = 1
	}
	if opt.Grace == 0 {
		opt.Grace = 2 * time.Second
	}
	if opt.Record != nil {
		opt.Tap = opt.Record(a.About().Name)
	}
	if opt.Silence == 0 {
		opt.Silence = a.About().Silence
	}
	s := &Source{a: a, opt: opt, info: feed.Info{Name: a.About().Name, Note: a.About().Note, Calendars: map[string]market.Calendar{}}}
	polled := 0
	for _, x := range series {
		i, err := a.Instrument(x.Instrument.Symbol)
		if err != nil {
			return nil, err
		}
		d, err := a.Delivers(x.Interval)
		if err != nil {
			return nil, err
		}
		if c, ok := a.(Checker); ok {
			if err := c.Check(market.Series{Instrument: i, Interval: x.Interval}); err != nil {
				return nil, err
			}
		}
		if d == Polled {
			polled++
		}
		cal, err := market.CalendarByName(i.Calendar)
		if err != nil {
			return nil, err
		}
		s.info.Series = append(s.info.Series, market.Series{Instrument: i, Interval: x.Interval})
		s.info.Calendars[i.Key()] = cal
	}
	if polled != 0 && polled != len(series) {
		return nil, fmt.Errorf("%w: %s streams some of these intervals and not others; follow them in two runs", ErrSymbol, a.About().Title)
	}
	return s, nil
}

// Info describes the source.
func (s *Source) Info() feed.Info { return s.info }

func (s *Source) config() config {
	return config{series: s.info.Series, calendars: s.info.Calendars, depth: s.opt.History, silence: s.opt.Silence, grace: s.opt.Grace}
}

// answer is what became of a query.
type answer struct {
	q    query
	body []byte
	sent market.Time // when, by the host's clock; 0: it does not say
	err  error

	panic any // in place of an answer
}

// runner is one run of a source.
type runner struct {
	s         *Source
	m         *machine
	transport *http.Transport
	host      *Host
	out       chan<- feed.Message

	queries chan query // to the goroutine that asks
	answers chan answer
	waiting []query // not handed over yet
}

// Run implements feed.Source. An error that wraps ErrFinal means that starting the source
// again is of no use.
func (s *Source) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	now := market.TimeOf(s.opt.Now())
	m, err := newMachine(s.a, s.config(), resume, now)
	if err != nil {
		return err
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &http.Transport{TLSClientConfig: s.opt.TLS.Clone(), MaxIdleConnsPerHost: 4, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: answerLimit, Proxy: http.ProxyFromEnvironment}
	if s.opt.Dial != nil {
		t.Proxy = nil
	}
	t.DialContext = tied(running, s.opt.Dial)
	about := s.a.About()
	r := &runner{s: s, m: m, out: out, transport: t, queries: make(chan query), answers: make(chan answer)}
	r.host = newHost(&http.Client{Transport: t}, about.Rate, about.Burst, s.opt.Now, s.paced)
	r.host.answerer, _ = s.a.(Answerer)
	r.host.meter, _ = s.a.(Meter)
	r.tap(Input{At: now, Kind: kindBegin, Config: s.header(resume)})

	defer t.CloseIdleConnections()
	var asking sync.WaitGroup
	defer asking.Wait() // also when an adapter panics: whoever catches it starts the source again
	defer cancel()
	asking.Go(func() { r.askAll(running) })
	if err := r.loop(running); ctx.Err() == nil {
		return err
	}
	return nil
}

// tied returns a dial whose connections are closed when ctx is done. Else a goodbye over TLS
// waits five seconds for a venue that does not read any more.
func tied(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(asking context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(asking, network, addr)
		if err != nil {
			return nil, err
		}
		return &tiedConn{c, context.AfterFunc(ctx, func() { _ = c.Close() })}, nil
	}
}

type tiedConn struct {
	net.Conn
	free func() bool
}

func (c *tiedConn) Close() error {
	c.free()
	return c.Conn.Close()
}

// loop keeps a connection until ctx is done or the venue refuses for good.
func (r *runner) loop(ctx context.Context) error {
	if r.m.polled() {
		r.input(Input{Kind: kindOpen})
		return r.follow(ctx, nil)
	}
	for attempt := 0; ; attempt++ {
		r.m.say(feed.Connecting, "connecting to "+r.s.a.About().Title)
		if err := r.drain(ctx); err != nil {
			return err
		}
		why := r.connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(why, ErrFinal) {
			return why
		}
		if r.m.flows {
			attempt = 0
		}
		wait := time.Duration(r.s.opt.Rand() * float64(min(r.s.opt.Longest, r.s.opt.First<<min(attempt, 16))))
		r.input(Input{Kind: kindClose, Reason: fmt.Sprintf("%v; connecting again in %s", why, wait.Round(100*time.Millisecond))})
		if err := r.drain(ctx); err != nil {
			return err
		}
		if !sleep(ctx, r.s.paced(wait)) {
			return ctx.Err()
		}
	}
}

// paced is how long d takes.
func (s *Source) paced(d time.Duration) time.Duration { return time.Duration(float64(d) / s.opt.Pace) }

// maxFrame bounds a frame.
const maxFrame = 4 << 20

// connect opens a connection and follows it to its end, of which it returns the reason.
func (r *runner) connect(ctx context.Context) error {
	stream, err := r.s.a.Connect(r.s.info.Series)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c, err := r.dial(ctx, stream)
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseNow() }() // whatever state it is in
	c.SetReadLimit(maxFrame)
	for _, f := range stream.Hello {
		if err := c.Write(ctx, websocket.MessageText, f); err != nil {
			return fmt.Errorf("the subscription could not be sent: %w", without(err))
		}
	}
	frames := make(chan []byte, 1024)
	ended := make(chan error, 1)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	reading.Go(func() {
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				ended <- broken(err)
				return
			}
			select {
			case frames <- b:
			case <-ctx.Done():
				return
			}
		}
	})
	if len(stream.Ping) > 0 {
		reading.Go(func() {
			for sleep(ctx, r.s.paced(stream.PingEvery)) {
				if c.Write(ctx, websocket.MessageText, stream.Ping) != nil {
					return // the reader says why
				}
			}
		})
	}
	r.input(Input{Kind: kindOpen})
	return r.follow(ctx, &connection{frames, ended})
}

// connection is what is received.
type connection struct {
	frames <-chan []byte
	ended  <-chan error
}

// broken says in words why a connection ended.
func broken(err error) error {
	switch code := websocket.CloseStatus(err); {
	case code >= 0:
		var ce websocket.CloseError
		errors.As(err, &ce)
		return fmt.Errorf("the venue closed the connection (%d %s)", code, strings.TrimSpace(ce.Reason))
	case strings.Contains(err.Error(), "read limited"):
		return fmt.Errorf("a frame of more than %d MiB came", maxFrame>>20)
	}
	return fmt.Errorf("the connection broke: %w", without(err))
}

// dial connects, with the secrets that the stream needs.
func (r *runner) dial(ctx context.Context, s Stream) (*websocket.Conn, error) {
	address := s.URL
	if len(s.Secret) > 0 {
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("%w: the address of the stream cannot be used", ErrFinal)
		}
		q := u.Query()
		for k, v := range s.Secret {
			q[k] = v
		}
		u.RawQuery = q.Encode()
		address = u.String()
	}
	t := r.transport.Clone() // the connection ends with ctx, those of requests with Run
	t.DialContext = tied(ctx, r.s.opt.Dial)
	defer t.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	c, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{HTTPClient: &http.Client{Transport: t}, HTTPHeader: s.Header})
	if err == nil {
		return c, nil
	}
	if resp != nil {
		switch resp.StatusCode {
		case http.StatusUnavailableForLegalReasons:
			return nil, fmt.Errorf("%w: %s answers 451: not available from where this machine is", ErrFinal, plain(s.URL))
		case http.StatusUnauthorized, http.StatusForbidden:
			return nil, fmt.Errorf("%w: %s answers %d: is the key right?", ErrFinal, plain(s.URL), resp.StatusCode)
		case http.StatusTooManyRequests:
			return nil, fmt.Errorf("%s answers 429: too many connections", plain(s.URL))
		default:
			return nil, fmt.Errorf("%s answers %d instead of a stream", plain(s.URL), resp.StatusCode)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%s does not answer", plain(s.URL))
	}
	return nil, fmt.Errorf("%s cannot be reached: %w", plain(s.URL), without(err))
}

// follow hands the machine what happens until the connection ends, or, without one, until ctx
// is done.
func (r *runner) follow(ctx context.Context, c *connection) error {
	if c == nil {
		c = &connection{}
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if err := r.drain(ctx); err != nil {
			return err
		}
		if err := r.m.finalE; err != nil {
			return err
		}
		if why := r.m.leave; why != "" {
			return errors.New(why)
		}
		wait := time.Hour
		if d := r.m.due(); d != market.MaxTime {
			wait = max(time.Millisecond, d.Sub(market.TimeOf(r.s.opt.Now())))
		}
		timer.Reset(max(time.Millisecond, r.s.paced(wait)))
		var queries chan query
		var next query
		if len(r.waiting) > 0 {
			queries, next = r.queries, r.waiting[0]
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case f := <-c.frames:
			r.input(Input{Kind: kindFrame, Data: f})
		case err := <-c.ended:
			for { // what came before the end counts
				select {
				case f := <-c.frames:
					r.input(Input{Kind: kindFrame, Data: f})
					continue
				default:
				}
				break
			}
			if derr := r.drain(ctx); derr != nil {
				return derr
			}
			return err
		case a := <-r.answers:
			if a.panic != nil {
				panic(a.panic)
			}
			in := Input{Kind: kindAnswer, Query: &a.q, Data: a.body, Sent: a.sent}
			if a.err != nil {
				in.Data, in.Reason, in.Final = nil, a.err.Error(), errors.Is(a.err, ErrFinal)
			}
			r.input(in)
		case queries <- next:
			r.waiting = r.waiting[1:]
		case <-timer.C:
			r.input(Input{Kind: kindTick})
		}
	}
}

// input lets the machine act on what happened now.
func (r *runner) input(in Input) {
	in.At = market.TimeOf(r.s.opt.Now())
	r.tap(in)
	r.m.link.Headroom = r.host.headroom()
	r.m.act(&in)
	if r.m.pause > 0 {
		r.host.refusedFor(r.m.pause)
		r.m.pause = 0
	}
	if r.s.opt.Progress != nil {
		for _, p := range r.m.progress(&in) {
			r.s.opt.Progress(p)
		}
	}
	r.waiting = append(r.waiting, r.m.asks...)
	r.m.asks = r.m.asks[:0]
}

func (r *runner) tap(in Input) {
	if r.s.opt.Tap != nil {
		r.s.opt.Tap(in)
	}
}

// drain sends what the machine has to say.
func (r *runner) drain(ctx context.Context) error {
	for i := range r.m.out {
		select {
		case r.out <- r.m.out[i]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.m.out = nil // what was sent belongs to the receiver
	return nil
}

// askAll makes the requests, one after another.
func (r *runner) askAll(ctx context.Context) {
	for {
		var q query
		select {
		case q = <-r.queries:
		case <-ctx.Done():
			return
		}
		a := r.answer(ctx, q)
		select {
		case r.answers <- a:
		case <-ctx.Done():
			return
		}
	}
}

// answer makes a request, when it is its turn. A panic is for whoever called Run to catch, so it
// is passed on to there.
func (r *runner) answer(ctx context.Context, q query) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{q: q, panic: p}
		}
	}()
	series := r.s.info.Series[q.Line]
	req, ok := r.s.a.Ask(series, q.Span.Start, q.Span.End, q.Cursor)
	if !ok {
		return answer{q: q, err: fmt.Errorf("%w: %s keeps no such bars", ErrFinal, r.s.a.About().Title)}
	}
	if err := r.host.wait(ctx, req.Weight); err != nil {
		return answer{q: q, err: err}
	}
	if q.Newest && q.Cursor == "" { // bars have ended while it waited for its turn
		if end := series.Interval.End(series.Interval.Floor(market.TimeOf(r.s.opt.Now()))); end > q.Span.End {
			q.Span.End = end
			req, _ = r.s.a.Ask(series, q.Span.Start, q.Span.End, "")
		}
	}
	a = answer{q: q}
	a.body, a.sent, a.err = r.host.get(ctx, req)
	return a
}

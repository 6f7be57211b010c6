package venuetest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/foretick/foretick/market"
)

// Speaker speaks a venue's protocol from the venue's side. One is made for each test; Heard and
// what follows are called for one connection at a time.
type Speaker interface {
	// REST answers a request by what the market is at now.
	REST(w http.ResponseWriter, r *http.Request, now market.Time)
	// Greet is what a connection is sent before it has said anything; header and address are
	// those of the handshake. An error refuses the handshake with its words and status 401.
	Greet(r *http.Request) ([][]byte, error)
	// Heard answers a frame of the client. streaming is true once there is a subscription.
	Heard(frame []byte, now market.Time) (replies [][]byte, streaming bool)
	// Traded is what the venue says of a trade.
	Traded(t Trade, now market.Time) [][]byte
	// Second is what the venue says every second.
	Second(now market.Time) [][]byte
}

// NoStream is a part of speakers of venues that are only asked.
type NoStream struct{}

// Greet refuses to stream.
func (NoStream) Greet(*http.Request) ([][]byte, error) { return nil, errors.New("there is no stream") }

// Heard says nothing.
func (NoStream) Heard([]byte, market.Time) ([][]byte, bool) { return nil, false }

// Traded says nothing.
func (NoStream) Traded(Trade, market.Time) [][]byte { return nil }

// Second says nothing.
func (NoStream) Second(market.Time) [][]byte { return nil }

// Misdeed is what a venue does wrong on its first connection, or its first requests. The zero
// value does nothing.
type Misdeed struct {
	// After is the number of trades after which the first connection misbehaves.
	After int
	// Stream, when not nil, decides what becomes of the frames about trade n (counted from 0
	// on a connection), from After on. A nil result sends nothing.
	Stream func(n int, frames [][]byte) [][]byte
	// Stall keeps the connection open and silent; Close closes it with that code; Cut breaks it
	// in the middle of a frame.
	Stall bool
	Close websocket.StatusCode
	Cut   bool
	// Always makes every connection misbehave, not only the first.
	Always bool
	// REST, when not nil, answers instead of the venue, and reports whether it did; n counts
	// requests from 0.
	REST func(n int, w http.ResponseWriter, r *http.Request) bool
	// Handshake is a status with which connections are refused, all of them.
	Handshake int
}

// Server is a fake venue. It is an http.Handler.
type Server struct {
	speaker Speaker
	market  *Market
	deed    Misdeed
	now     func() time.Time
	pace    float64

	mu          sync.Mutex
	connections int
	requests    int
	cut         bool
	http        *http.Server
	handlers    sync.WaitGroup
	ctx         context.Context
	stop        context.CancelFunc
}

// NewServer returns a fake venue whose market is at now, which runs pace times as fast as the
// wall clock.
func NewServer(sp Speaker, m *Market, d Misdeed, now func() time.Time, pace float64) *Server {
	s := &Server{speaker: sp, market: m, deed: d, now: now, pace: pace}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
	return s
}

// Connections counts the streams that were opened.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

// ServeHTTP answers requests and streams.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.handlers.Add(1)
	defer s.handlers.Done()
	if r.Header.Get("Upgrade") != "" {
		s.stream(w, r)
		return
	}
	s.mu.Lock()
	n := s.requests
	s.requests++
	s.mu.Unlock()
	w.Header().Set("Date", s.venueNow().Add(s.market.Shift).Std().Format(http.TimeFormat))
	if s.deed.REST != nil && s.deed.REST(n, w, r) {
		return
	}
	s.speaker.REST(w, r, market.TimeOf(s.now()).Add(s.market.Shift))
}

// stream speaks to one client.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	if s.deed.Handshake != 0 {
		http.Error(w, "refused", s.deed.Handshake)
		return
	}
	greeting, err := s.speaker.Greet(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	s.mu.Lock()
	first := s.connections == 0
	s.connections++
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	heard := make(chan []byte)
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		defer cancel()
		for {
			_, b, err := c.Read(ctx)
			if err != nil {
				return
			}
			select {
			case heard <- b:
			case <-ctx.Done():
				return
			}
		}
	}()
	send := func(frames [][]byte) bool {
		for _, f := range frames {
			if c.Write(ctx, websocket.MessageText, f) != nil {
				return false
			}
		}
		return true
	}
	if !send(greeting) {
		return
	}
	streaming, n := false, 0
	if s, ok := s.speaker.(interface{ Streaming() bool }); ok {
		streaming = s.Streaming() // the address says what is wanted
	}
	k := s.market.index(s.venueNow() + 1)
	second := s.venueNow().Add(time.Second)
	for {
		at := min(s.market.Begin.Add(time.Duration(k)*s.market.Every), second)
		select {
		case <-ctx.Done():
			return
		case f := <-heard:
			replies, on := s.speaker.Heard(f, s.venueNow().Add(s.market.Shift))
			streaming = streaming || on
			if !send(replies) {
				return
			}
			continue
		case <-time.After(time.Duration(float64(at.Sub(s.venueNow())) / s.pace)):
		}
		bad := streaming && n >= s.deed.After && (first || s.deed.Always)
		if bad && s.deed.Stall {
			<-ctx.Done()
			return
		}
		if at == second {
			second = second.Add(time.Second)
			if streaming && !send(s.speaker.Second(s.venueNow().Add(s.market.Shift))) {
				return
			}
			continue
		}
		t, ok := s.market.Trade(k)
		k++
		if !ok || !streaming {
			continue
		}
		frames := s.speaker.Traded(t, s.venueNow().Add(s.market.Shift))
		if bad {
			switch {
			case s.deed.Close != 0:
				_ = c.Close(s.deed.Close, "maintenance")
				return
			case s.deed.Cut:
				s.mu.Lock()
				s.cut = true
				s.mu.Unlock()
			case s.deed.Stream != nil:
				frames = s.deed.Stream(n, frames)
			}
		}
		n++
		if !send(frames) {
			return
		}
	}
}

// venueNow is our time.
func (s *Server) venueNow() market.Time { return market.TimeOf(s.now()) }

// Close ends everything.
func (s *Server) Close() {
	s.stop()
	_ = s.http.Close() // its listener is gone then
	s.handlers.Wait()
}

// conn cuts a connection in the middle of a frame when it is told to.
type conn struct {
	net.Conn
	s *Server
}

func (c *conn) Write(b []byte) (int, error) {
	c.s.mu.Lock()
	cut := c.s.cut
	c.s.cut = false
	c.s.mu.Unlock()
	if !cut || len(b) < 4 {
		return c.Conn.Write(b)
	}
	_, _ = c.Conn.Write(b[:len(b)/2])
	_ = c.Conn.Close()
	return 0, errors.New("cut")
}

// pipe is a listener within this process; it works in a bubble of testing/synctest.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, fmt.Errorf("connection refused")
}

// cutting is a listener whose connections can be cut.
type cutting struct {
	net.Listener
	s *Server
}

func (l cutting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{c, l.s}, nil
}

// certificate is that of httptest, with the pool that trusts it.
var certificate = sync.OnceValues(func() (tls.Certificate, *tls.Config) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	c := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	c.ServerName = "example.com"
	return s.TLS.Certificates[0], c
})

// inBubble serves over TLS within this process and returns how to reach it.
func (s *Server) inBubble() (dial func(context.Context, string, string) (net.Conn, error), trust *tls.Config) {
	cert, trust := certificate()
	p := newPipe()
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		_ = s.http.Serve(tls.NewListener(cutting{p, s}, &tls.Config{Certificates: []tls.Certificate{cert}}))
	}()
	return p.dial, trust
}

// onSocket serves over TLS on a real socket and returns its address.
func (s *Server) onSocket(t testing.TB, cert tls.Certificate) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.handlers.Add(1)
	go func() {
		defer s.handlers.Done()
		_ = s.http.Serve(tls.NewListener(cutting{l, s}, &tls.Config{Certificates: []tls.Certificate{cert}}))
	}()
	return "https://" + l.Addr().String()
}

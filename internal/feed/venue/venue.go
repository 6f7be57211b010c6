// Package venue is what the feeds of real venues have in common. A venue's own package holds
// an [Adapter], its language: where to connect, what to say, how to read the answers. Source
// does the rest, the same for all:
//
//   - It connects, subscribes, and holds back what comes while it asks over REST for
//     the bars since the last one that is stored; then it lets both go in order. No bar is
//     missing and none is there twice.
//   - Where trades are missed (their numbers have gaps) or a bar was joined in its middle,
//     the bar is fetched over REST.
//   - A connection that is silent is given up; the next comes after an exponential wait with
//     full jitter, which begins anew once data has come.
//   - The limits of a host are kept by one [Host], whoever asks.
//
// All of that is decided by a state machine that reads no clock and does no I/O: its inputs
// (connection opened, frame, answer, connection lost, time) can be recorded and played
// back, which gives the same messages again, see [Recording].
package venue

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Adapter is the language of one venue. It is immutable and holds no connection.
type Adapter interface {
	// About describes the venue.
	About() *About
	// Instrument completes what is known of a symbol. The error says how symbols are
	// written there.
	Instrument(symbol string) (market.Instrument, error)
	// Delivers says how bars of an interval come about. The error says which intervals
	// there are.
	Delivers(i market.Interval) (Delivery, error)
	// Connect says how the series are followed live. It is not called where all are
	// Polled.
	Connect(list []market.Series) (Stream, error)
	// Decode reads a frame into b, which is empty. What the venue may send and Foretick
	// does not need is no error: count it in b.Unknown when its type is not known at all.
	Decode(frame []byte, b *Batch) error
	// Ask is the request for the bars of s that start in [from, to), or for the page of
	// them that cursor stands for. ok is false when the venue keeps no such bars.
	Ask(s market.Series, from, to market.Time, cursor string) (r Request, ok bool)
	// Read reads the answer to what Ask asked.
	Read(s market.Series, body []byte) (Page, error)
}

// Delivery is how the bars of a series come about.
type Delivery int

// The deliveries.
const (
	Bars   Delivery = iota // the venue streams bars
	Trades                 // the venue streams trades, of which Foretick builds bars
	Polled                 // bars are asked for, one request after another
)

// About describes a venue.
type About struct {
	Name  string // as in "kraken:BTC/USD"
	Title string // "Kraken"
	// Stream and REST are the addresses of the endpoints.
	Stream, REST string
	// Live, History, Limits and Caution are for people: what comes live, how far back bars
	// can be had, what is limited, and what the venue's terms ask.
	Live, History, Limits, Caution string
	// Note is what whoever sees the prices should know, in a sentence.
	Note string
	// Keys are the names of the environment variables that hold its keys; none: no key is
	// needed.
	Keys []string
	// Optional is true when the venue is not meant to be used without thought.
	Optional bool
	// Example is an instrument, "BTC/USD".
	Example string

	// Silence is how long a connection may say nothing while a market is open.
	Silence time.Duration
	// Rate is how many requests a second the REST host takes, Burst how many at once.
	Rate  float64
	Burst int
	// Settle is how long after the end of a bar REST knows it.
	Settle time.Duration
	// Every is the least time between two polls of a series.
	Every time.Duration
	// Daily is how many requests the venue takes a day, 0 when it sets no such limit: polls are
	// spread so that all series together keep within it.
	Daily int
	// Adjusted is true when REST gives bars that are rescaled for every split since.
	Adjusted bool
	// Sequential is true when the numbers of a symbol's trades go up by one.
	Sequential bool
}

// Stream is how series are followed live.
type Stream struct {
	URL    string
	Header http.Header // secrets included: it is never logged
	Hello  [][]byte    // frames to send once connected, in order
	// Ping, when not empty, is sent every PingEvery.
	Ping      []byte
	PingEvery time.Duration
	// Secret is the part of the query that is never logged.
	Secret url.Values
}

// Batch is what one frame says. Symbols are those of Adapter.Instrument.
type Batch struct {
	Trades []Trade
	Bars   []BarUpdate
	Newest []Newest
	// Sent is when the venue says that it sent the frame, 0 when it does not say.
	Sent market.Time
	// Subscribed are symbols of which the venue says that it will send.
	Subscribed []string
	// Refused is what the venue refuses, in words: the connection stands.
	Refused []string
	// Fatal is why going on is of no use, such as a wrong key.
	Fatal string
	// Leave is why the connection should be given up for a new one.
	Leave string
	// Unknown counts messages of a type that is not known.
	Unknown int
	// Rejects are parts of the frame that cannot be used, each with its reason.
	Rejects []Refusal
}

func (b *Batch) reset() {
	*b = Batch{Trades: b.Trades[:0], Bars: b.Bars[:0], Newest: b.Newest[:0], Subscribed: b.Subscribed[:0], Refused: b.Refused[:0], Rejects: b.Rejects[:0]}
}

// Refusal is a part of a frame or of an answer that cannot be used.
type Refusal struct {
	Symbol string // where known
	Raw    string
	Reason string
}

// Trade is a trade of a symbol.
type Trade struct {
	Symbol string
	Tick   market.Tick
	ID     int64 // the venue's number of it, 0: none
	// Past marks a trade from before the subscription, which is not a tick.
	Past bool
}

// Newest is the number of the newest trade of a symbol, as a heartbeat tells it.
type Newest struct {
	Symbol string
	ID     int64
}

// BarUpdate is a bar as it is now.
type BarUpdate struct {
	Symbol string
	Bar    market.Bar
	// Closed is true when the venue says that the bar is final. Where venues do not say, a
	// bar is final when a later one begins, or some time after its end.
	Closed bool
}

// Request is a GET request.
type Request struct {
	URL    string
	Header http.Header // secrets included: never logged
	Secret url.Values  // added to the query, never logged
	Weight int         // of the host's rate; 0 means 1
}

// Page is a part of the history.
type Page struct {
	Bars []market.Bar // ascending; the last may be open still
	// Cursor leads to the next page, "" when this was the last. Adapters whose pages
	// follow the clock set Next instead: the start to go on from, 0 when there is no more.
	Cursor string
	Next   market.Time
	// Bounded, when not 0, says that an answer covers at most so many bars from where it was
	// asked from on, whether somebody traded in them or not.
	Bounded int
	// Oldest, when not 0, is the start before which the venue keeps nothing.
	Oldest  market.Time
	Rejects []Refusal
	// Actions are the splits and dividends that came along.
	Actions []market.Action
	// Final is true when every bar is finished, even one whose end has not come by our clock:
	// of polled series.
	Final bool
}

// Errors that end a feed or a request for good; they are wrapped with the words of the venue.
var (
	// ErrFinal says that the host will not answer, whatever one does: HTTP 451, a wrong key.
	ErrFinal = feed.ErrFinal
	// ErrAnswer says that an answer is not what was asked for.
	ErrAnswer = errors.New("unusable answer")
	// ErrSymbol says that a symbol or interval is not written as the venue does, or not there.
	ErrSymbol = errors.New("not offered")
)

// Setup is what adapters are made with.
type Setup struct {
	// Endpoint replaces the addresses of the venue: "http://host" or "https://host", of
	// which the address of the stream is derived.
	Endpoint string
	// Key returns the key of a name in About.Keys, "" when there is none.
	Key func(name string) string
}

// Addresses are the endpoints to use: the venue's own, or those of Endpoint with the same
// paths.
func (s *Setup) Addresses(rest, stream string) (string, string) {
	if s.Endpoint == "" {
		return rest, stream
	}
	return replaceHost(rest, s.Endpoint, false), replaceHost(stream, s.Endpoint, true)
}

func replaceHost(address, endpoint string, socket bool) string {
	u, err := url.Parse(address)
	e, err2 := url.Parse(endpoint)
	if address == "" || err != nil || err2 != nil {
		return address
	}
	u.Host, u.Scheme = e.Host, e.Scheme
	if socket {
		u.Scheme = map[string]string{"http": "ws", "https": "wss"}[e.Scheme]
	}
	return u.String()
}

// Secret returns the key of a name; the error says which variable must be set.
func (s *Setup) Secret(name string) (string, error) {
	if s.Key != nil {
		if v := s.Key(name); v != "" {
			return v, nil
		}
	}
	return "", fmt.Errorf("%w: set %s, or %s_FILE to a file that holds it", ErrFinal, name, name)
}

// Number is a JSON number, or a string that holds one: parsed once, exactly as strconv does.
type Number float64

// UnmarshalJSON reads it.
func (n *Number) UnmarshalJSON(b []byte) error {
	if len(b) >= 2 && b[0] == '"' && b[len(b)-1] == '"' {
		b = b[1 : len(b)-1]
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil || v-v != 0 {
		return fmt.Errorf("%.40q is not a number", b)
	}
	*n = Number(v)
	return nil
}

// Cut is the beginning of what came, as long as quarantine keeps it.
func Cut(b []byte) string { return string(b[:min(len(b), 500)]) }

// Unusable is an ErrAnswer that says what came instead.
func Unusable(body []byte, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %.120q", ErrAnswer, fmt.Sprintf(format, args...), body)
}

// ReadJSON decodes an answer, or says what came instead.
func ReadJSON(body []byte, v any) error {
	if err := json.Unmarshal(body, v); err != nil {
		return Unusable(body, "%v", err)
	}
	return nil
}

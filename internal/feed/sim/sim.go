// Package sim is a market that runs on the server's clock: it needs no key, no
// network and no recorded data, never closes, and everyone who watches sees the same
// prices. All its instruments are marked simulated.
//
// [Realistic] trades look like those of a liquid stock, second by second. The model
// of the price is known to nobody who forecasts it, and its returns cannot be
// forecast, only their size: as far as we know real markets, a model that claims skill
// in direction here has a bug. What it is made of, see type walk:
//
//   - volatility that changes slowly and in bursts: two log-normal factors, one with a
//     half-life of an hour and one of a minute;
//   - fat tails: innovations by Student's t with five degrees of freedom, and rare jumps;
//   - trades that come in clusters at irregular times: an integer GARCH for the number of
//     trades in a second;
//   - volume that breathes with the time and with volatility;
//   - a price grid, and trades at the bid or at the ask.
//
// [Classic] is the random walk of the demonstration that Foretick grew from: one bar
// a second with close = open + uniform(-5, 6), see type classic. It drifts upwards by
// half a unit a second, which is not like any market.
//
// # Seeds
//
// Random numbers come from PCG generators, one an instrument, seeded with Options.Seed
// and the symbol. A run on an empty store makes the same trades after its first second
// whenever it is started (on the same binary and kind of machine). A run that goes on
// from stored data takes the price from there and mixes the second at which it goes on
// into the seed, so that it does not play the beginning again.
package sim

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Name is the name of the source and the venue of its instruments.
const Name = "sim"

// Mode is the kind of market.
type Mode string

// The modes.
const (
	Realistic Mode = "realistic"
	Classic   Mode = "classic"
)

// DefaultSymbol is the instrument that is simulated when none is named.
const DefaultSymbol = "AMZN"

// DefaultHistory is the number of bars sent as history into an empty store.
const DefaultHistory = 600

// MaxInstruments bounds the number of instruments.
const MaxInstruments = 100_000

// Options say what to simulate. Now is needed.
type Options struct {
	Mode Mode // empty means Realistic
	Seed uint64
	// Symbols are the instruments; none means DefaultSymbol. Count adds invented ones
	// (SIM0002, SIM0003 ...) until there are that many.
	Symbols []string
	Count   int
	// History is the number of seconds before the start that are sent at once into a
	// series of which nothing is stored. 0 means DefaultHistory, a negative number none.
	History int
	// Now is the server's clock.
	Now func() time.Time
	// LastClose returns the close of the newest stored bar of a series, from which a
	// run goes on. Nil, and ok false, begin at the start price.
	LastClose func(market.SeriesID) (price float64, ok bool)
}

// Source is a feed.Source. It may be run again, one run at a time.
type Source struct {
	opt  Options
	info feed.Info
}

// New returns a source. It reports symbols that are not valid or named twice, an
// unknown mode and too many instruments.
func New(opt Options) (*Source, error) {
	if opt.Now == nil {
		return nil, errors.New("sim: a clock is needed")
	}
	if opt.Mode == "" {
		opt.Mode = Realistic
	}
	if opt.Mode != Realistic && opt.Mode != Classic {
		return nil, fmt.Errorf("sim: mode %q is neither %s nor %s", opt.Mode, Realistic, Classic)
	}
	if opt.History == 0 {
		opt.History = DefaultHistory
	}
	symbols := slices.Clone(opt.Symbols)
	if len(symbols) == 0 {
		symbols = append(symbols, DefaultSymbol)
	}
	if max(len(symbols), opt.Count) > MaxInstruments {
		return nil, fmt.Errorf("sim: %d instruments are more than %d", max(len(symbols), opt.Count), MaxInstruments)
	}
	for n := len(symbols) + 1; len(symbols) < opt.Count; n++ {
		if name := fmt.Sprintf("SIM%04d", n); !slices.Contains(opt.Symbols, name) {
			symbols = append(symbols, name)
		}
	}
	info := feed.Info{Name: Name, Calendars: make(map[string]market.Calendar, len(symbols))}
	for _, symbol := range symbols {
		i := market.Instrument{
			Symbol: symbol, Venue: Name, Class: market.Equity, Currency: "USD", PriceScale: 2,
			Calendar: market.Always.Name(), Simulated: true,
		}
		if err := i.Validate(); err != nil {
			return nil, fmt.Errorf("sim: %w", err)
		}
		if _, twice := info.Calendars[i.Key()]; twice {
			return nil, fmt.Errorf("sim: the symbol %s is named twice", symbol)
		}
		info.Calendars[i.Key()] = market.Always
		info.Series = append(info.Series, market.Series{Instrument: i, Interval: market.Second})
	}
	return &Source{opt: opt, info: info}, nil
}

// Info describes the source. The caller must not change what it refers to.
func (s *Source) Info() feed.Info { return s.info }

// second is what happened in one second: trades, or with Classic one bar.
type second struct {
	ticks []market.Tick
	bars  []market.Bar
}

// generator invents one instrument, second after second.
type generator interface {
	// next appends what happens in the second that begins at start.
	next(start market.Time, to *second)
}

// generator returns the generator of series i. from is the second at which it goes
// on from stored data, 0 for a series without any.
func (s *Source) generator(i int, from market.Time) generator {
	series := s.info.Series[i]
	rng := newSource(s.opt.Seed, series.Instrument.Symbol, from)
	price, ok := 0.0, false
	if from != 0 && s.opt.LastClose != nil {
		price, ok = s.opt.LastClose(series.ID())
	}
	if s.opt.Mode == Classic {
		if !ok {
			price = classicStart
		}
		return newClassic(rng, price)
	}
	if !ok {
		price = startPrice
	}
	return newWalk(rng, price)
}

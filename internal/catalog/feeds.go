package catalog

import (
	"fmt"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/alpaca"
	"github.com/foretick/foretick/internal/feed/alphavantage"
	"github.com/foretick/foretick/internal/feed/binance"
	"github.com/foretick/foretick/internal/feed/coinbase"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/feed/finnhub"
	"github.com/foretick/foretick/internal/feed/httpfeed"
	"github.com/foretick/foretick/internal/feed/kraken"
	"github.com/foretick/foretick/internal/feed/replay"
	"github.com/foretick/foretick/internal/feed/sim"
	"github.com/foretick/foretick/internal/feed/twelvedata"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/yahoo"
	"github.com/foretick/foretick/market"
)

// SimOptions say what market to simulate.
type SimOptions struct {
	Mode      string // "realistic" or "classic"
	Seed      uint64
	Symbols   []string // none means AMZN
	Now       func() time.Time
	LastClose func(market.SeriesID) (float64, bool)
}

// NewSim returns the simulated market.
func NewSim(o SimOptions) (feed.Source, error) {
	return sim.New(sim.Options{Mode: sim.Mode(o.Mode), Seed: o.Seed, Symbols: o.Symbols, Now: o.Now, LastClose: o.LastClose})
}

// NewReplay returns the replay of recorded files: speed times as fast as they were
// recorded, 0 for as fast as possible, with what lies before start as history.
func NewReplay(files []*csv.File, speed float64, start market.Time, now func() time.Time) (feed.Source, error) {
	return replay.New(files, replay.Options{Speed: speed, Start: start, Now: now})
}

// Venues make the adapters of all venues, in the order in which they are shown.
var Venues = []func(venue.Setup) venue.Adapter{
	func(s venue.Setup) venue.Adapter { return kraken.New(s) },
	func(s venue.Setup) venue.Adapter { return coinbase.New(s) },
	func(s venue.Setup) venue.Adapter { return binance.New(s) },
	func(s venue.Setup) venue.Adapter { return alpaca.New(s) },
	func(s venue.Setup) venue.Adapter { return finnhub.New(s) },
	func(s venue.Setup) venue.Adapter { return twelvedata.New(s) },
	func(s venue.Setup) venue.Adapter { return alphavantage.New(s) },
	func(s venue.Setup) venue.Adapter { return yahoo.New(s) },
	func(s venue.Setup) venue.Adapter { return httpfeed.New(s) },
}

// NewVenue returns the adapter of a venue. The error lists those there are.
func NewVenue(name string, s venue.Setup) (venue.Adapter, error) {
	var names []string
	for _, v := range Venues {
		a := v(s)
		if a.About().Name == name {
			return a, nil
		}
		names = append(names, a.About().Name)
	}
	return nil, fmt.Errorf("there is no venue %.40q; choose from %s", name, strings.Join(names, ", "))
}

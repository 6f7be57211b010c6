package app

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

// LiveConfig says which venues are followed, and how.
type LiveConfig struct {
	History    string   `default:"" help:"How far back bars are asked for when none is stored, such as 12h or 30d. Default: 1,000 bars."`
	Endpoint   []string `sep:"none" placeholder:"VENUE=URL" help:"Address of a venue in place of its own: a proxy of yours, or the service that http:SYMBOL polls. May be given several times."`
	Unofficial bool     `help:"Permit venues that are not meant to be used by programs (yahoo)."`
	Record     string   `type:"path" placeholder:"FOLDER" help:"Keep all that venues send, as it comes, in files that --feed replay --file plays back."`
}

// Wanted is an instrument that is to be followed at an interval.
type Wanted struct {
	Venue    string
	Symbol   string
	Interval market.Interval
}

// ParseWanted reads VENUE:SYMBOL@INTERVAL; without @INTERVAL it is other, or 1m where other is
// not valid.
func ParseWanted(s string, other market.Interval) (Wanted, error) {
	name, symbol, ok := strings.Cut(s, ":")
	if !ok || name == "" || symbol == "" {
		return Wanted{}, fmt.Errorf("%.80q: write VENUE:SYMBOL@INTERVAL, such as kraken:BTC/USD@1m", s)
	}
	w := Wanted{Venue: name, Symbol: symbol, Interval: other}
	if !other.Valid() {
		w.Interval = market.Minute
	}
	if i := strings.LastIndex(symbol, "@"); i >= 0 {
		var err error
		if w.Interval, err = market.ParseInterval(symbol[i+1:]); err != nil {
			return w, fmt.Errorf("%.80q: %w", s, err)
		}
		w.Symbol = symbol[:i]
	}
	return w, nil
}

// onVenue reports whether s names an instrument of a venue.
func onVenue(s string) bool {
	name, _, ok := strings.Cut(s, ":")
	if !ok {
		return false
	}
	_, err := catalog.NewVenue(name, venue.Setup{})
	return err == nil
}

// Key finds a secret: in the environment variable name, or in the file that name_FILE names.
func Key(name string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	path := os.Getenv(name + "_FILE")
	if path == "" {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// ParseSpan reads a length of time such as 90m, 12h or 30d.
func ParseSpan(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		v, err := strconv.Atoi(n)
		if err != nil || v < 0 || v > 36500 {
			return 0, fmt.Errorf("%q: write a number of days such as 30d", s)
		}
		return time.Duration(v) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q: write a length of time such as 12h or 30d", s)
	}
	return d, nil
}

// historyBars is how many bars are asked for unless --history says otherwise.
const historyBars = 1000

// Setup is what the adapter of a venue is made with.
func (c *LiveConfig) Setup(name string) (venue.Setup, error) {
	s := venue.Setup{Key: Key}
	for _, e := range c.Endpoint {
		v, address, ok := strings.Cut(e, "=")
		if !ok || !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
			return s, fmt.Errorf("--endpoint %q: write VENUE=URL, such as kraken=http://localhost:9000", e)
		}
		if v == name {
			s.Endpoint = address
		}
	}
	return s, nil
}

// VenueSources are the feeds of what is wanted, one a venue, or two where it streams some
// intervals and others not.
func VenueSources(c *LiveConfig, want []Wanted, opt venue.Options) ([]*venue.Source, error) {
	var out []*venue.Source
	type group struct {
		name   string
		polled bool
	}
	var order []group
	groups := map[group][]market.Series{}
	adapters := map[string]venue.Adapter{}
	for _, w := range want {
		a := adapters[w.Venue]
		if a == nil {
			setup, err := c.Setup(w.Venue)
			if err != nil {
				return nil, err
			}
			if a, err = catalog.NewVenue(w.Venue, setup); err != nil {
				return nil, err
			}
			if a.About().Optional && !c.Unofficial {
				return nil, fmt.Errorf("%s is not used unless --unofficial is given: %s", w.Venue, a.About().Caution)
			}
			for _, k := range a.About().Keys {
				if Key(k) == "" {
					return nil, fmt.Errorf("%s needs a key: set %s, or %s_FILE to a file that holds it (docs/feeds.md says where to get one)", a.About().Title, k, k)
				}
			}
			adapters[w.Venue] = a
		}
		i, err := a.Instrument(w.Symbol)
		if err != nil {
			return nil, inVenueWords(err)
		}
		d, err := a.Delivers(w.Interval)
		if err != nil {
			return nil, inVenueWords(err)
		}
		g := group{w.Venue, d == venue.Polled}
		if groups[g] == nil {
			order = append(order, g)
		}
		if slices.ContainsFunc(groups[g], func(s market.Series) bool { return s.Instrument.Key() == i.Key() }) {
			return nil, fmt.Errorf("%s is named twice; coarser bars are made with --rollup", i.Key())
		}
		groups[g] = append(groups[g], market.Series{Instrument: i, Interval: w.Interval})
	}
	for _, g := range order {
		o := opt
		switch longest := slices.MaxFunc(groups[g], func(a, b market.Series) int { return cmp.Compare(a.Interval.Duration(), b.Interval.Duration()) }); c.History {
		case "":
			o.History = historyBars * longest.Interval.Duration()
		default:
			d, err := ParseSpan(c.History)
			if err != nil {
				return nil, fmt.Errorf("--history %w", err)
			}
			o.History = d
		}
		s, err := venue.New(adapters[g.name], groups[g], o)
		if err != nil {
			return nil, inVenueWords(err)
		}
		out = append(out, s)
	}
	return out, nil
}

// inVenueWords leaves out what kind of error it is: the words say it.
func inVenueWords(err error) error {
	if errors.Is(err, venue.ErrSymbol) {
		return errors.New(strings.TrimPrefix(err.Error(), venue.ErrSymbol.Error()+": "))
	}
	return err
}

// sources are the sources of several feeds as one list.
func asSources(list []*venue.Source) []feed.Source {
	out := make([]feed.Source, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

package market

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Class is the kind of asset an instrument is.
type Class string

// The classes of asset.
const (
	Equity    Class = "equity"
	Crypto    Class = "crypto"
	FX        Class = "fx"
	Commodity Class = "commodity"
	Index     Class = "index"
)

// Instrument is what is traded.
type Instrument struct {
	Symbol   string `json:"symbol"`   // as the venue writes it, e.g. AMZN or BTC/USD
	Venue    string `json:"venue"`    // where its prices come from: sim, file, kraken ...
	Class    Class  `json:"class"`    //
	Currency string `json:"currency"` // ISO 4217 or a coin's ticker
	// PriceScale is the number of decimals that a price is shown with, 0 to 12.
	PriceScale int `json:"price_scale"`
	// Calendar is the name of its trading calendar.
	Calendar string `json:"calendar"`
	// Simulated is true when no real market stands behind the prices.
	Simulated bool `json:"simulated"`
	// AllowNonPositive permits prices of zero and below (WTI traded at -37).
	AllowNonPositive bool `json:"allow_non_positive"`
}

// Key names the instrument among all venues: "sim:AMZN".
func (i Instrument) Key() string { return i.Venue + ":" + i.Symbol }

// Validate reports the first thing that is wrong with i.
func (i Instrument) Validate() error {
	if err := checkName("symbol", i.Symbol, "@"); err != nil {
		return err
	}
	if err := checkName("venue", i.Venue, "@:/"); err != nil {
		return err
	}
	if i.PriceScale < 0 || i.PriceScale > 12 {
		return fmt.Errorf("market: price scale %d of %s is outside 0 to 12", i.PriceScale, i.Symbol)
	}
	return nil
}

func checkName(what, s, without string) error {
	if s == "" || len(s) > 64 {
		return fmt.Errorf("market: %s %.70q must have 1 to 64 bytes", what, s)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("market: %s %q is not UTF-8", what, s)
	}
	for _, r := range s {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) || strings.ContainsRune(without, r) {
			return fmt.Errorf("market: %s %q must not contain %q", what, s, r)
		}
	}
	return nil
}

// SeriesID names a series: "venue:symbol@interval", for example "sim:AMZN@1s".
type SeriesID string

// Series is one instrument at one interval: what a model forecasts.
type Series struct {
	Instrument Instrument `json:"instrument"`
	Interval   Interval   `json:"interval"`
}

// ID returns the name of s.
func (s Series) ID() SeriesID {
	return SeriesID(s.Instrument.Key() + "@" + s.Interval.String())
}

// Validate reports the first thing that is wrong with s.
func (s Series) Validate() error {
	if !s.Interval.Valid() {
		return errors.New("market: a series needs an interval")
	}
	return s.Instrument.Validate()
}

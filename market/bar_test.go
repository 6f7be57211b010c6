package market_test

import (
	"math"
	"strings"
	"testing"

	"github.com/foretick/foretick/market"
)

func TestBarValidate(t *testing.T) {
	good := market.Bar{Start: t0, End: t0 + 1, Open: 10, High: 12, Low: 9, Close: 11, Volume: 1}
	tests := []struct {
		name   string
		change func(*market.Bar)
		allow  bool
		want   string // part of the error, "" for none
	}{
		{"good", func(*market.Bar) {}, false, ""},
		{"flat", func(b *market.Bar) { b.Open, b.High, b.Low, b.Close, b.Volume = 10, 10, 10, 10, 0 }, false, ""},
		{"NaN close", func(b *market.Bar) { b.Close = math.NaN() }, true, "close NaN"},
		{"infinite high", func(b *market.Bar) { b.High = math.Inf(1) }, true, "high +Inf"},
		{"zero low", func(b *market.Bar) { b.Low = 0 }, false, "low 0 is not positive"},
		{"zero low allowed", func(b *market.Bar) { b.Low = 0 }, true, ""},
		{"negative allowed", func(b *market.Bar) { b.Open, b.High, b.Low, b.Close = -1, -1, -37, -30 }, true, ""},
		{"high below low", func(b *market.Bar) { b.High, b.Low = 9, 12 }, false, "below low"},
		{"open above high", func(b *market.Bar) { b.Open = 13 }, false, "open 13 is outside"},
		{"open below low", func(b *market.Bar) { b.Open = 8 }, false, "open 8 is outside"},
		{"close above high", func(b *market.Bar) { b.Close = 13 }, false, "close 13 is outside"},
		{"close below low", func(b *market.Bar) { b.Close = 8 }, false, "close 8 is outside"},
		{"negative volume", func(b *market.Bar) { b.Volume = -1 }, false, "volume"},
		{"NaN volume", func(b *market.Bar) { b.Volume = math.NaN() }, false, "volume"},
		{"no length", func(b *market.Bar) { b.End = b.Start }, false, "not after its start"},
		{"backwards", func(b *market.Bar) { b.End = b.Start - 1 }, false, "not after its start"},
		{"before the year 1", func(b *market.Bar) { b.Start = market.MinTime - 1 }, false, "outside the years"},
		{"ends after the year 9999", func(b *market.Bar) { b.End = market.MaxTime + 1 }, false, "outside the years"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := good
			tt.change(&b)
			err := b.Validate(tt.allow)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	if good.Span() != (market.Span{Start: t0, End: t0 + 1}) {
		t.Error("span", good.Span())
	}
}

func TestInstrumentAndSeries(t *testing.T) {
	good := market.Instrument{Symbol: "BTC/USD", Venue: "kraken", Class: market.Crypto, PriceScale: 1}
	tests := []struct {
		name   string
		change func(*market.Instrument)
		ok     bool
	}{
		{"good", func(*market.Instrument) {}, true},
		{"index with a caret", func(i *market.Instrument) { i.Symbol = "^GSPC" }, true},
		{"no symbol", func(i *market.Instrument) { i.Symbol = "" }, false},
		{"long symbol", func(i *market.Instrument) { i.Symbol = strings.Repeat("X", 65) }, false},
		{"space", func(i *market.Instrument) { i.Symbol = "BRK B" }, false},
		{"control character", func(i *market.Instrument) { i.Symbol = "A\x00" }, false},
		{"at sign", func(i *market.Instrument) { i.Symbol = "A@1m" }, false},
		{"no UTF-8", func(i *market.Instrument) { i.Symbol = "A\xff" }, false},
		{"no venue", func(i *market.Instrument) { i.Venue = "" }, false},
		{"colon in venue", func(i *market.Instrument) { i.Venue = "a:b" }, false},
		{"slash in venue", func(i *market.Instrument) { i.Venue = "a/b" }, false},
		{"scale too large", func(i *market.Instrument) { i.PriceScale = 13 }, false},
		{"scale negative", func(i *market.Instrument) { i.PriceScale = -1 }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := good
			tt.change(&i)
			if err := i.Validate(); (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
		})
	}
	s := market.Series{Instrument: good, Interval: market.FiveMin}
	if s.ID() != "kraken:BTC/USD@5m" || s.Validate() != nil {
		t.Errorf("%s, %v", s.ID(), s.Validate())
	}
	s.Interval = market.Interval{}
	if s.Validate() == nil {
		t.Error("a series without interval is valid")
	}
}

package kraken_test

import (
	"testing"

	"github.com/foretick/foretick/internal/feed/kraken"
	"github.com/foretick/foretick/internal/feed/kraken/krakentest"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

func kit(interval string) venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return kraken.New(s) }, Symbol: "BTC/USD", Interval: market.MustInterval(interval),
		Speaker: krakentest.New}
}

func TestBars(t *testing.T) { venuetest.Exercise(t, kit("1m")) }

func TestTrades(t *testing.T) {
	k := kit("10s")
	k.NoHistory = true
	venuetest.Exercise(t, k)
}

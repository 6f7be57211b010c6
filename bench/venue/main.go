// Command venue plays a venue on this machine, for measurements and demonstrations without the
// internet: a market in BTC/USD that speaks Kraken's protocol. Its prices are made up.
//
//	go run ./bench/venue -addr 127.0.0.1:9100 -every 250ms
//	foretick serve --instrument kraken:BTC/USD@1m --endpoint kraken=http://127.0.0.1:9100
package main

import (
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/foretick/foretick/internal/feed/kraken/krakentest"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9100", "address")
	every := flag.Duration("every", 250*time.Millisecond, "time between trades")
	past := flag.Duration("past", 13*time.Hour, "how long the market has been trading")
	flag.Parse()
	// The market begins at a round time, so that a venue that is started again is the same.
	begin := market.TimeOf(time.Now().Add(-*past).Truncate(24 * time.Hour))
	m := venuetest.NewMarket(begin, *every)
	log.Fatal(http.ListenAndServe(*addr, venuetest.NewServer(krakentest.New(m), m, venuetest.Misdeed{}, time.Now, 1)))
}

package kraken_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/internal/feed/kraken"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

// BenchmarkDecode is one message to what it says.
func BenchmarkDecode(b *testing.B) {
	a := kraken.New(venue.Setup{})
	for name, frame := range map[string]string{
		"trade": `{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":105944.20,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,"timestamp":"2023-10-06T17:35:55.440295Z"}]}`,
		"bar":   `{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD","interval":1,"interval_begin":"2023-10-04T16:25:00.000000000Z","open":106038.2,"high":106044.3,"low":106038.1,"close":106040.1,"volume":30.9,"vwap":106039.6,"trades":12}]}`,
	} {
		b.Run(name, func(b *testing.B) {
			var out venue.Batch
			b.ReportAllocs()
			for b.Loop() {
				out.Trades, out.Bars = out.Trades[:0], out.Bars[:0]
				if err := a.Decode([]byte(frame), &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStream is one trade of one of 200 instruments from a venue's socket to a feed
// message, the venue's side in the same process included.
func BenchmarkStream(b *testing.B) {
	const instruments = 200
	var series []market.Series
	for i := range instruments {
		series = append(series, market.Series{Instrument: market.Instrument{Symbol: fmt.Sprintf("X%d/USD", i)}, Interval: market.MustInterval("10s")})
	}
	now := time.Now()
	at := now.Add(20 * time.Second).UTC() // in a bar that begins after the connection
	var frames [][]byte
	for i := range 100 * instruments {
		frames = append(frames, fmt.Appendf(nil, `{"channel":"trade","type":"update","data":[{"symbol":"X%d/USD","side":"buy","price":%d.5,"qty":0.5,"ord_type":"limit","trade_id":%d,"timestamp":%q}]}`,
			i%instruments, 100+i%7, 1+i/instruments, at.Format(time.RFC3339Nano)))
	}
	n := b.N
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		if _, _, err := c.Read(r.Context()); err != nil {
			return
		}
		for i := range n {
			if c.Write(r.Context(), websocket.MessageText, frames[i%len(frames)]) != nil {
				return
			}
		}
		_, _, _ = c.Read(r.Context())
	}))
	defer web.Close()
	src, err := venue.New(kraken.New(venue.Setup{Endpoint: web.URL}), series, venue.Options{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	out := make(chan feed.Message, 64)
	ended := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	go func() { ended <- src.Run(ctx, feedtest.Nothing, out) }()
	for seen := uint64(0); seen < uint64(n); {
		select {
		case m := <-out:
			seen += uint64(len(m.Ticks))
			if m.Link != nil {
				seen = max(seen, m.Link.Frames, m.Link.Duplicates)
			}
		case err := <-ended:
			b.Fatal(err)
		}
	}
	b.StopTimer()
	cancel()
	for running := true; running; {
		select {
		case <-out:
		case <-ended:
			running = false
		}
	}
}

package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// historyBars fill the windows of the models.
const historyBars = 400

// manual is a live source of n series whose bars all close when it is told so.
type manual struct {
	series []market.Series
	closed chan market.Time
	prices []float64
	rng    *rand.Rand
}

func newManual(n int) *manual {
	m := &manual{closed: make(chan market.Time), rng: rand.New(rand.NewPCG(1, 2))}
	for i := range n {
		m.series = append(m.series, market.Series{Interval: market.Second,
			Instrument: market.Instrument{Symbol: fmt.Sprintf("S%04d", i), Venue: "bench", PriceScale: 2, Simulated: true, Calendar: "24x7"}})
		m.prices = append(m.prices, 100)
	}
	return m
}

func (m *manual) Info() feed.Info { return feed.Info{Name: "bench", Series: m.series} }

func (m *manual) Run(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
	send := func(msg feed.Message) bool {
		select {
		case out <- msg:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if !send(feed.Message{State: feed.Running}) {
		return nil
	}
	history := true
	for {
		var end market.Time
		select {
		case <-ctx.Done():
			return nil
		case end = <-m.closed:
		}
		for i := range m.series {
			msg := feed.Message{Instrument: m.series[i].Instrument.Key(), Backfill: history}
			n := 1
			if history {
				n = historyBars
			}
			for k := n - 1; k >= 0; k-- {
				p := m.prices[i]
				m.prices[i] *= 1 + 0.001*m.rng.NormFloat64()
				e := end - market.Time(k)*1_000_000
				msg.Bars = append(msg.Bars, market.Bar{Start: e - 1_000_000, End: e, Open: p, High: max(p, m.prices[i]), Low: min(p, m.prices[i]), Close: m.prices[i], Volume: 1})
			}
			if !send(msg) {
				return nil
			}
		}
		history = false
	}
}

// BenchmarkBarToWire measures, with all series closing a bar at the same instant,
// the time from there until a browser's stream has received each series' sealed
// forecasts: bars committed, 15 forecasts a series made, sealed and committed, read
// back, encoded, sent.
func BenchmarkBarToWire(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("series=%d", n), func(b *testing.B) { barToWire(b, n) })
	}
}

func barToWire(b *testing.B, n int) {
	src := newManual(n)
	cfg := app.Config{Addr: "127.0.0.1:0", Data: b.TempDir(), Feed: "sim", Horizons: 5, Log: "error", Grace: time.Second}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	a, err := app.New(ctx, cfg, app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard, Source: src})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()

	end := market.TimeOf(time.Now())
	src.closed <- end // history
	for a.Feeds()[0].Bars < uint64(n*historyBars) {
		time.Sleep(10 * time.Millisecond) // a stream opened now would be cut as too slow for all that history
	}
	arrived := make(chan market.SeriesID, n)
	connected := make(chan struct{})
	go listen(b, ctx, a.URL(), connected, arrived)
	<-connected
	closeAll := func() []time.Duration {
		// The end of a bar in the data's time is now: the forecasts are live.
		end = max(end+1_000_000, market.TimeOf(time.Now()))
		began := time.Now()
		src.closed <- end
		took := make([]time.Duration, 0, n)
		for len(took) < n {
			select {
			case <-arrived:
				took = append(took, time.Since(began))
			case err := <-done:
				b.Fatal(err)
			case <-time.After(time.Minute):
				b.Fatalf("%d of %d forecasts arrived", len(took), n)
			}
		}
		return took
	}
	for range 3 {
		closeAll()
	}
	var all []time.Duration
	for b.Loop() {
		all = append(all, closeAll()...)
	}
	slices.Sort(all)
	b.ReportMetric(ms(all[len(all)/2]), "p50-ms")
	b.ReportMetric(ms(all[len(all)*99/100]), "p99-ms")
	stop()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// listen reports the series of each forecast that the stream brings.
func listen(b *testing.B, ctx context.Context, url string, connected chan<- struct{}, arrived chan<- market.SeriesID) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/stream", nil)
	if err != nil {
		b.Error(err)
		return
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Error(err)
		return
	}
	defer r.Body.Close()
	close(connected)
	lines := bufio.NewReaderSize(r.Body, 1<<20)
	forecast := false
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return // stopped
		}
		if name, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			forecast = string(bytes.TrimSpace(name)) == "forecast"
		} else if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && forecast {
			var d struct{ Series market.SeriesID }
			if i := bytes.IndexByte(data, ','); i > 0 { // the series comes first
				if err := json.Unmarshal(append(bytes.Clone(data[:i]), '}'), &d); err != nil {
					b.Error(err)
					return
				}
			}
			arrived <- d.Series
		}
	}
}

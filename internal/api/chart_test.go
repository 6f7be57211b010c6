package api

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// A chart names its interval and has no more bars than were asked for.
func TestChart(t *testing.T) {
	w := newWorld(t)
	bars := storetest.Bars(amzn, 0, 7000)
	_, _, err := w.store.CommitBars(t.Context(), bars)
	must(t, err)
	from := bars[3000].Start.String()
	for _, c := range []struct {
		query, interval string
		n               int
		newestFirst     bool
	}{
		{"max_points=7000", "1s", 7000, true},
		{"max_points=6999&order=asc", "1m", 117, false},
		{"max_points=100", "5m", 24, true},
		{"max_points=10", "15m", 8, true},
		{"max_points=1000&from=" + from, "1m", 67, false},
		{"max_points=5000&limit=10&from=" + from, "1s", 4000, false},
		{"max_points=10&to=2024-01-01", "1s", 0, true},
	} {
		a := w.do("GET", of(amzn, "/bars?"+c.query), "")
		var page BarPage
		must(t, json.Unmarshal(a.body, &page))
		if a.StatusCode != 200 || page.Interval != c.interval || len(page.Items) != c.n || page.Next != "" || page.Items == nil {
			t.Errorf("%s: status %d, %d bars of %s, cursor %q; want %d of %s", c.query, a.StatusCode, len(page.Items), page.Interval, page.Next, c.n, c.interval)
			continue
		}
		if c.newestFirst {
			slices.Reverse(page.Items)
		}
		if !slices.IsSortedFunc(page.Items, func(a, b market.Bar) int { return int(a.Start - b.Start) }) {
			t.Errorf("%s: out of order", c.query)
		}
	}
}

package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

// Every venue describes itself, offers its own example, is in docs/feeds.md with its keys, and
// has a test that plays it.
func TestVenues(t *testing.T) {
	doc, err := os.ReadFile("../../docs/feeds.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range catalog.Venues {
		a := v(venue.Setup{})
		about := a.About()
		if seen[about.Name] {
			t.Errorf("there are two venues %q", about.Name)
		}
		seen[about.Name] = true
		for what, text := range map[string]string{"title": about.Title, "live": about.Live, "history": about.History, "limits": about.Limits, "caution": about.Caution, "example": about.Example} {
			if text == "" {
				t.Errorf("%s says nothing of %s", about.Name, what)
			}
		}
		i, err := a.Instrument(about.Example)
		if err != nil || i.Venue != about.Name || i.Validate() != nil {
			t.Errorf("%s:%s: %+v, %v", about.Name, about.Example, i, err)
		}
		if _, err := market.CalendarByName(i.Calendar); err != nil {
			t.Errorf("%s: %v", about.Name, err)
		}
		if !strings.Contains(string(doc), "`"+about.Name+":") {
			t.Errorf("docs/feeds.md does not name %s", about.Name)
		}
		for _, k := range about.Keys {
			if !strings.Contains(string(doc), k) {
				t.Errorf("docs/feeds.md does not name the key %s", k)
			}
		}
		folder := about.Name
		if folder == "http" {
			folder = "httpfeed"
		}
		tests, err := filepath.Glob("../feed/" + folder + "/*_test.go")
		played := false
		for _, f := range tests {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			played = played || strings.Contains(string(b), "venuetest.Exercise(")
		}
		if err != nil || !played {
			t.Errorf("no test plays %s", about.Name)
		}
	}
}

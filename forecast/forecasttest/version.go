package forecasttest

import (
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast"
)

// encode is the bytes that name a version.
func encode(t *testing.T, fitted any) string {
	t.Helper()
	e, ok := fitted.(forecast.Encoder)
	if !ok {
		t.Fatalf("%T has no Encode: its versions could not be told apart", fitted)
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	return string(b)
}

// versions checks that the bytes that name a version hold all that decides its answers, and
// nothing else: the same fit has the same, another fit has others unless it answers alike, and
// so has the model with other options.
func versions(t *testing.T, c *Case) {
	bars := c.Series[0]
	a, b := window(bars[:enough]), window(bars[300:300+enough])
	first := mustFit(t, c.Model, a)
	version := encode(t, first)
	if !strings.HasPrefix(version, c.Version) {
		t.Errorf("the version begins %.*q, want %q", len(c.Version), version, c.Version)
	}
	if encode(t, first) != version || encode(t, mustFit(t, c.Model, a)) != version {
		t.Error("the same fit has another version")
	}
	other := mustFit(t, c.Model, b)
	if encode(t, other) == version {
		for h := 1; h <= Horizons; h++ {
			if p, q := mustPredict(t, first, b, h), mustPredict(t, other, b, h); !same(&p, &q) {
				t.Fatalf("horizon %d: two fits with the same version say %v and %v", h, p, q)
			}
		}
	}
	seen := map[string]string{version: "the model"}
	for _, others := range []map[string]forecast.Forecaster{c.Variants, c.Others} {
		for name, m := range others {
			v := encode(t, mustFit(t, m, a))
			if as, ok := seen[v]; ok {
				t.Errorf("%s has the version of %s", name, as)
			}
			seen[v] = name
		}
	}
}

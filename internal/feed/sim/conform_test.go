package sim_test

import (
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/internal/feed/sim"
)

func TestConformance(t *testing.T) {
	for name, opt := range map[string]sim.Options{
		"realistic":  {Seed: 1},
		"classic":    {Seed: 1, Mode: sim.Classic},
		"many":       {Seed: 7, Count: 20, History: 30},
		"no history": {Seed: 3, Symbols: []string{"BTC/USD", "X"}, History: -1},
	} {
		t.Run(name, func(t *testing.T) {
			feedtest.Exercise(t, func(t testing.TB, now func() time.Time) feed.Source {
				opt.Now = now
				src, err := sim.New(opt)
				if err != nil {
					t.Fatal(err)
				}
				return src
			})
		})
	}
}

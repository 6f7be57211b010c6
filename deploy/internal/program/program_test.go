package program

import (
	"testing"
	"time"
)

func TestDiscover(t *testing.T) {
	at := func(s string) func(string) string { return func(string) string { return s } }
	t.Chdir(t.TempDir()) // no repository
	t.Setenv("GIT_CEILING_DIRECTORIES", "/")
	for _, c := range []struct {
		name, version, epoch string
		want                 Origin
		fails                bool
	}{
		{name: "nothing is known", want: Origin{Version: "0.0.0-dev", Time: time.Unix(0, 0).UTC()}},
		{name: "a tag", version: "v1.2.3", epoch: "1800000000", want: Origin{Version: "1.2.3", Time: time.Unix(1_800_000_000, 0).UTC()}},
		{name: "no version", version: "latest", fails: true},
		{name: "not a flag", version: "1.2.3 -X main.x=y", fails: true},
		{name: "no time", version: "1.2.3", epoch: "today", fails: true},
	} {
		got, err := Discover(t.Context(), c.version, at(c.epoch))
		if c.fails != (err != nil) || !c.fails && got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

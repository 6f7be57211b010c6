package venuetest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/market"
)

// Watched is what became of a source that was watched.
type Watched struct {
	Messages []feed.Message
	At       []market.Time              // when each came
	States   []string                   // "stalled: why", in order
	Rejects  []feed.Reject              //
	Bars     map[market.Time]market.Bar // as they are in the end
	Link     feed.Link                  // as it is in the end
	Requests int                        // that reached the venue
	Err      error                      // of Run
}

// Watch follows a source of the kit for d, in a bubble of its own, and hands what it said to
// check.
func Watch(t *testing.T, k Kit, deed Misdeed, d time.Duration, check func(t *testing.T, w *Watched)) {
	t.Helper()
	certificate() // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, &k, deed, 0)
		o := s.follow(s.src, feedtest.Nothing, d)
		s.server.mu.Lock()
		n := s.server.requests
		s.server.mu.Unlock()
		check(t, &Watched{o.messages, o.at, o.states, o.rejects, o.bars, o.link, n, o.err})
	})
}

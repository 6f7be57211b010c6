package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Resuming from any event gives exactly what came after it.
func TestResumeFromEveryEvent(t *testing.T) { onBoth(t, checkResumeFromEveryEvent) }

func checkResumeFromEveryEvent(t *testing.T, w *world) {
	w.fill(12)
	last, err := w.store.LastEvent(t.Context())
	must(t, err)
	for after := uint64(0); after < last; after++ {
		s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), after))
		for seq := after + 1; seq <= last; seq++ {
			if seq == 2 { // the genesis entry is not news
				continue
			}
			if e := s.want(); e.seq() != seq {
				t.Fatalf("after %d came %d, want %d", after, e.seq(), seq)
			}
		}
		must(t, s.resp.Body.Close())
	}
}

// Clients that come and go while bars, forecasts and scores are committed get every
// event once, in order.
func TestResumeWhileCommitting(t *testing.T) { onBoth(t, checkResumeWhileCommitting) }

func checkResumeWhileCommitting(t *testing.T, w *world) {
	w.fill(3)
	start, err := w.store.LastEvent(t.Context())
	must(t, err)
	const ticks, clients = 30, 4
	end := start
	for i := range ticks {
		end += uint64(newsOf(w.bars + i))
	}
	var group sync.WaitGroup
	group.Go(func() {
		for i := range ticks {
			w.tick(i%3 == 0)
		}
	})
	for c := range clients {
		group.Go(func() {
			seen := []uint64{start}
			for id := start; id < end; {
				s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), id))
				// Leave after some events, each time at another place.
				for n := 1 + (c*5+len(seen))%23; n > 0 && id < end; n-- {
					id = s.want().seq()
					seen = append(seen, id)
				}
				_ = s.resp.Body.Close()
			}
			for i, seq := range seen {
				if want := start + uint64(i); seq != want {
					t.Errorf("client %d: event %d is %d, want %d", c, i, seq, want)
					return
				}
			}
		})
	}
	group.Wait()
	if last, err := w.store.LastEvent(t.Context()); err != nil || last != end {
		t.Fatalf("last event %d, %v; want %d", last, err, end)
	}
}

// newsOf is the number of events that tick causes for bar i.
func newsOf(i int) int {
	switch {
	case i == absent:
		return 0
	case i == 0 || i == absent+1:
		return 3 + i/absent // with the genesis entry; with an outcome and a void
	case i < 5:
		return 2
	}
	return 3
}

func TestResetWhenResumingIsImpossible(t *testing.T) {
	w := newWorld(t).fill(4)
	w.handedOut() // else what the hub has still to hand out comes after the reset, too
	for _, c := range []struct{ name, id, reason string }{
		{"another store", "0000-3", "another store"},
		{"no id of ours", "hello", "not one of"},
		{"no number", w.store.Epoch() + "-x", "another store"},
		{"past the end", w.store.Epoch() + "-99999", "newer than everything"},
	} {
		for _, how := range []string{"header", "query"} {
			t.Run(c.name+" by "+how, func(t *testing.T) {
				var s *stream
				if how == "header" {
					s = w.open("", c.id)
				} else {
					s = w.open("?last_event_id="+url.QueryEscape(c.id), "")
				}
				e := s.want()
				if e.name != "reset" || e.id != "" || !strings.Contains(e.data, c.reason) {
					t.Fatalf("event %+v", e)
				}
				w.fill(1)
				w.handedOut()
				if e := s.want(); e.name != "bar" {
					t.Fatalf("after the reset came %+v", e)
				}
			})
		}
	}
}

// Commits of which a part was stored already are not in memory: a stream that is read
// half from there and half from the store misses nothing.
func TestResumeAcrossAHoleInMemory(t *testing.T) { onBoth(t, checkResumeAcrossAHoleInMemory) }

func checkResumeAcrossAHoleInMemory(t *testing.T, w *world) {
	bar := storetest.Bar
	for _, bars := range [][]store.BarRecord{
		{bar(amzn, 0, 0), bar(slashed, 0, 0)},
		{bar(amzn, 0, 0), bar(amzn, 1, 0), bar(slashed, 1, 0)}, // the first is known
		{bar(amzn, 2, 0), bar(slashed, 2, 0)},
	} {
		_, last, err := w.store.CommitBars(t.Context(), bars)
		must(t, err)
		w.tell(false, last)
	}
	w.handedOut()
	for after := range uint64(6) {
		s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), after))
		w.joined(1)
		_, last, err := w.store.CommitBars(t.Context(), []store.BarRecord{bar(amzn, 10+int(after), 0)}) // so that something comes in any case
		must(t, err)
		w.tell(false, last)
		for seq := after + 1; seq <= last; seq++ {
			if e := s.want(); e.seq() != seq {
				t.Fatalf("after %d came %d, want %d", after, e.seq(), seq)
			}
		}
		must(t, s.resp.Body.Close())
		w.joined(0)
	}
}

// pruned is a store that has forgotten its first events.
type pruned struct {
	Store
	first uint64
}

func (p *pruned) FirstEvent(context.Context) (uint64, error) { return p.first, nil }

func TestResetWhenEventsAreGone(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Store = &pruned{c.Store, 5} })
	w.fill(4)
	if e := w.open("", w.store.Epoch()+"-3").want(); e.name != "reset" || !strings.Contains(e.data, "not kept") {
		t.Fatalf("event %+v", e)
	}
	if e := w.open("", w.store.Epoch()+"-4").want(); e.seq() != 5 {
		t.Fatalf("event %+v", e)
	}
}

// A revised outcome does not change what the first one is said to have been.
func TestResumeAcrossARevision(t *testing.T) { onBoth(t, checkResumeAcrossARevision) }

func checkResumeAcrossARevision(t *testing.T, w *world) {
	w.fill(8)
	before, err := w.store.LastEvent(t.Context())
	must(t, err)
	w.fill(1)
	_, _, err = w.store.CommitBars(t.Context(), []store.BarRecord{storetest.Bar(amzn, 8, 1)})
	must(t, err)
	o := w.chain.Outcome(8, 1)
	last, err := w.store.CommitStep(t.Context(), store.Step{Series: amzn, Entries: []ledger.Sealed{o}, Scores: storetest.Scores(8, 1, 3, 5)})
	must(t, err)
	w.tell(false, last)
	s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), before))
	for {
		e := s.want()
		if e.name == "score" {
			var sc struct {
				Close    float64
				Revision int
				Scores   []struct{ Actual float64 }
			}
			must(t, json.Unmarshal([]byte(e.data), &sc))
			for _, row := range sc.Scores {
				if want := storetest.Scores(8, sc.Revision, 1, 1)[0].Actual; row.Actual != want {
					t.Fatalf("the outcome of revision %d is scored on another: %s", sc.Revision, e.data)
				}
			}
			if sc.Revision == 1 && len(sc.Scores) != 15 {
				t.Fatalf("revision 1 has %d scores", len(sc.Scores))
			}
		}
		if e.seq() == last {
			return
		}
	}
}

// joining calls join, once, while the hub reads bars.
type joining struct {
	Store
	join func()
}

func (j *joining) BarLog(ctx context.Context, id market.SeriesID, after uint64, limit int) ([]store.BarRecord, error) {
	if join := j.join; join != nil {
		j.join = nil
		join()
	}
	return j.Store.BarLog(ctx, id, after, limit)
}

// A stream that joins after the hub has chosen what to encode still gets what it
// asked for of the same batch.
func TestJoiningInTheMiddleOfABatch(t *testing.T) {
	j := &joining{}
	w := newWorld(t, func(c *Config) { j.Store, c.Store = c.Store, j })
	early := &client{series: map[market.SeriesID]bool{amzn: true}, frames: make(chan []byte, 9), cut: make(chan struct{})}
	late := &client{series: map[market.SeriesID]bool{slashed: true}, frames: make(chan []byte, 9), cut: make(chan struct{})}
	for _, c := range []*client{early, late} {
		defer w.srv.hub.remove(c)
	}
	j.join = func() { w.srv.hub.add(t.Context(), late) }
	w.srv.hub.add(t.Context(), early)
	_, last, err := w.store.CommitBars(t.Context(), []store.BarRecord{storetest.Bar(amzn, 0, 0), storetest.Bar(slashed, 0, 0)})
	must(t, err)
	w.tell(false, last)
	w.handedOut()
	for c, id := range map[*client]string{early: string(amzn), late: string(slashed)} {
		var bars []string
		for len(c.frames) > 0 {
			if f := string(<-c.frames); strings.Contains(f, "event: bar") {
				bars = append(bars, f)
			}
		}
		if len(bars) != 1 || !strings.Contains(bars[0], id) {
			t.Errorf("the stream of %s got %q", id, bars)
		}
	}
}

// A client may have an event that this hub has not handed out yet: it got it from
// another process on the same store. It is not sent again, and nothing is reset.
func TestResumeAheadOfTheHub(t *testing.T) {
	st := newStore(t)
	ahead := newWorldOn(t, st, nil)
	ahead.fill(3)
	last, err := ahead.store.LastEvent(t.Context())
	must(t, err)
	srv := newServerBehind(t, ahead.cfg, last-3)
	out := &patient{head: http.Header{}}
	ctx, stop := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://localhost/v1/stream", nil)
	must(t, err)
	req.Header.Set("Last-Event-ID", fmt.Sprintf("%s-%d", st.Epoch(), last-1))
	var group sync.WaitGroup
	group.Go(func() { srv.Handler().ServeHTTP(out, req) })
	for value(srv.metrics.streams) != 1 {
		<-time.After(time.Millisecond)
	}
	for more := true; more; {
		more, err = srv.hub.pump(ctx)
		must(t, err)
	}
	for !strings.Contains(out.text(), fmt.Sprintf("-%d\n", last)) {
		<-time.After(time.Millisecond)
	}
	stop()
	group.Wait()
	if got := out.text(); strings.Contains(got, "event: reset") || strings.Count(got, "\nid: ")+strings.Count(got[:4], "id: ") != 1 {
		t.Fatalf("one event was to come, not\n%s", got)
	}
}

// newServerBehind is a server whose hub stands at pos and moves when told to.
func newServerBehind(t *testing.T, cfg Config, pos uint64) *Server {
	cfg.Metrics = prometheus.NewRegistry()
	srv, err := New(cfg)
	must(t, err)
	srv.hub.pos = pos
	close(srv.hub.ready)
	return srv
}

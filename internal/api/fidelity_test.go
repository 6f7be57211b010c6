package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// said is the data of any event.
type said struct {
	Series    market.SeriesID
	Entry     uint64
	Hash      string
	Bar       *map[string]any
	Forecasts []map[string]any
	Revision  int
	Target    market.Time
	Scores    []map[string]any
}

// sameFields checks that every field of an event's part is what REST says.
func sameFields(t *testing.T, what string, stream, rest map[string]any) {
	t.Helper()
	for k, v := range stream {
		r, ok := rest[k]
		if a, b := text(t, v), text(t, r); !ok || a != b {
			t.Errorf("%s: %s is %s on the stream and %s over REST", what, k, a, b)
		}
	}
}

// Whatever a stream says of a real walk, from its first event on, REST says too.
func TestStreamSaysWhatRESTSays(t *testing.T) {
	plain := newWorld(t)
	w := newTracked(t, plain).past(trackedBars)
	last, err := w.store.LastEvent(t.Context())
	must(t, err)
	forecasts, scores, bars, gaps := map[string]map[string]any{}, map[string]map[string]any{}, map[string]map[string]any{}, map[float64]map[string]any{}
	for _, f := range walk[map[string]any](plain, of(amzn, "/forecasts?limit=2000")) {
		forecasts[fmt.Sprint(f["entry"], f["model"], f["horizon"])] = f
	}
	for _, s := range walk[map[string]any](plain, of(amzn, "/scores?limit=5000")) {
		scores[fmt.Sprintf("%v %v %v %v", s["target"], s["revision"], s["model"], s["horizon"])] = s
	}
	for _, b := range walk[map[string]any](plain, of(amzn, "/bars?limit=5000")) {
		bars[fmt.Sprint(b["start"], b["revision"])] = b
	}
	for _, g := range get200[struct{ Items []map[string]any }](plain, of(amzn, "/gaps")).Items {
		g["series"] = string(amzn)
		gaps[g["entry"].(float64)] = g
	}
	count := map[string]int{}
	s := w.open("", fmt.Sprintf("%s-0", w.store.Epoch()))
	for seq := uint64(0); seq < last; {
		e := s.want()
		seq = e.seq()
		var v said
		must(t, json.Unmarshal([]byte(e.data), &v))
		count[e.name]++
		switch e.name {
		case "bar":
			if b := *v.Bar; bars[fmt.Sprint(b["start"], b["revision"])] != nil { // else it has been revised
				count["bar over REST"]++
				sameFields(t, "bar", b, bars[fmt.Sprint(b["start"], b["revision"])])
			}
		case "forecast":
			for _, f := range v.Forecasts {
				rest := forecasts[fmt.Sprint(v.Entry, f["model"], f["horizon"])]
				sameFields(t, "forecast", f, rest)
				if rest["hash"] != v.Hash {
					t.Errorf("entry %d has hash %s and %v", v.Entry, v.Hash, rest["hash"])
				}
				count["forecasts"]++
			}
		case "score":
			for _, sc := range v.Scores {
				sameFields(t, "score", sc, scores[fmt.Sprintf("%v %v %v %v", v.Target, v.Revision, sc["model"], sc["horizon"])])
				count["scores"]++
			}
		case "gap":
			var g map[string]any
			must(t, json.Unmarshal([]byte(e.data), &g))
			sameFields(t, "gap", g, gaps[g["entry"].(float64)])
		}
		if t.Failed() {
			t.FailNow()
		}
	}
	if count["bar"] != trackedBars || count["bar over REST"] != trackedBars-1 || count["forecasts"] != len(forecasts) || count["scores"] != len(scores) ||
		count["gap"] != 1 || count["void"] < 2 {
		t.Errorf("the stream has %v; REST has %d forecasts and %d scores", count, len(forecasts), len(scores))
	}
}

// stored checks that what a frame says is in the store at this moment.
func stored(t *testing.T, st store.Store, e event) {
	var v said
	if err := json.Unmarshal([]byte(e.data), &v); err != nil {
		t.Errorf("%v in %.200s", err, e.data)
		return
	}
	if e.name == "bar" {
		recs, err := st.BarLog(t.Context(), amzn, e.seq()-1, 1)
		if err != nil || len(recs) != 1 || recs[0].Seq != e.seq() || string(encodeBar(&recs[0])) != e.data {
			t.Errorf("bar of event %d is not stored as it was sent: %+v %v", e.seq(), recs, err)
		}
		return
	}
	list, err := st.Entries(t.Context(), amzn, store.EntryQuery{From: v.Entry, To: v.Entry + 1})
	if err != nil || len(list) != 1 {
		t.Errorf("entry %d is sent and not stored: %v", v.Entry, err)
		return
	}
	entry, err := ledger.Decode(list[0].Bytes)
	if err != nil || e.name == "forecast" && string(encodeIssue(&list[0], entry)) != e.data {
		t.Errorf("entry %d is not stored as it was sent: %v", v.Entry, err)
	}
}

// Clients that come and go at random while a track runs have each seen exactly the
// events of the store, and none before it was stored.
func TestRestlessClients(t *testing.T) { onBoth(t, checkRestlessClients) }

func checkRestlessClients(t *testing.T, plain *world) {
	w := newTracked(t, plain).past(2)
	start, err := w.store.LastEvent(t.Context())
	must(t, err)
	const ticks, clients = 25, 4
	var bars []store.BarRecord
	var results []track.Result
	end := start
	for range ticks {
		bar, res := w.advance()
		bars, results = append(bars, bar), append(results, res)
		end += 1 + uint64(len(res.Entries))
	}
	var group sync.WaitGroup
	group.Go(func() {
		for i := range bars {
			w.live(bars[i], results[i])
		}
	})
	seen := make([][]uint64, clients)
	for c := range clients {
		group.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(c)))
			for id := start; id < end; {
				s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), id))
				for n := 1 + rng.IntN(20); n > 0 && id < end; n-- {
					e := s.want()
					if e.name == "reset" {
						t.Errorf("reset after %d: %s", id, e.data)
						return
					}
					id = e.seq()
					seen[c] = append(seen[c], id)
					stored(t, w.store, e)
				}
				_ = s.resp.Body.Close()
			}
		})
	}
	group.Wait()
	events, err := w.store.EventsAfter(t.Context(), start, 1000)
	must(t, err)
	for c := range seen {
		if len(seen[c]) != len(events) {
			t.Fatalf("client %d has seen %d events of %d", c, len(seen[c]), len(events))
		}
		for i, e := range events {
			if seen[c][i] != e.Seq {
				t.Fatalf("client %d: event %d is %d, want %d", c, i, seen[c][i], e.Seq)
			}
		}
	}
}

func FuzzEventID(f *testing.F) {
	st := newStore(f)
	w := newWorldOn(f, st, nil)
	w.fill(2)
	last, err := st.LastEvent(f.Context())
	must(f, err)
	for _, id := range []string{"", "-", "-1", "x-1", st.Epoch(), st.Epoch() + "-", st.Epoch() + "-0", st.Epoch() + "-3", st.Epoch() + "--3", st.Epoch() + "-+3",
		st.Epoch() + "-99999", st.Epoch() + "-18446744073709551616", strings.Repeat("9", 100)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		seq, err := w.srv.parseEventID(t.Context(), id)
		if err != nil {
			if seq != 0 || len(err.Error()) > 100 {
				t.Fatalf("%q: %d, %v", id, seq, err)
			}
			return
		}
		if seq > last || !strings.HasPrefix(id, st.Epoch()+"-") {
			t.Fatalf("%q is taken for event %d of %d", id, seq, last)
		}
	})
}

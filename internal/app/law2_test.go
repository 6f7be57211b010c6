package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// TestLaw2StoredThenSeen: nothing reaches a subscriber before it is committed. Everything that
// leaves the program, streams, answers and notices, is held against what another connection
// finds in the database at that moment; and each commit is held up until the streams have
// looked for something new in vain.
func TestLaw2StoredThenSeen(t *testing.T) {
	t.Parallel()
	w := newWitness(t)
	st := play(t, script{series: coin, data: w.data, store: w, bus: w, begin: noon, models: []string{"naive", "ewma"}, horizons: 2, rollups: []string{"5m"}})
	st.history(coinBars(-40, 0))
	w.url = st.app.URL()
	stream := w.listen(t)
	w.follow()
	for _, b := range coinBars(0, 20) {
		st.bar(b, 100*time.Millisecond)
	}
	last, err := w.disk.LastEvent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := stream.until(last)
	w.rest()
	st.stop()

	// All of it was seen, once and in order.
	events, err := w.disk.EventsAfter(t.Context(), stream.after, 1000)
	if err != nil {
		t.Fatal(err)
	}
	genesis := store.EntryEvent + store.EventKind(ledger.Genesis)
	for _, e := range events {
		if e.Kind == genesis {
			continue // streams do not carry it
		}
		if len(seen) == 0 || seen[0] != e.Seq {
			t.Fatalf("event %d was committed; the stream goes on with %v", e.Seq, seen[:min(3, len(seen))])
		}
		seen = seen[1:]
	}
	if len(seen) > 0 {
		t.Errorf("the stream carried %v, which was never committed", seen)
	}
	if w.held < 30 || len(w.refused) != 2 {
		t.Errorf("%d commits were held up, %v refused: not everything was tested", w.held, w.refused)
	}
}

// witness is a store and a bus that hold what the program does against what is on the disk.
type witness struct {
	store.Store
	*inproc.Bus
	*testing.T
	data string
	disk store.Store // another connection to the database, which sees what was committed
	url  string

	mu       sync.Mutex
	watching bool
	looks    int           // of streams that found nothing new
	looked   chan struct{} // closed and replaced with each
	held     int           // commits
	refused  map[string]bool
}

func newWitness(t *testing.T) *witness {
	w := &witness{T: t, Bus: inproc.New(), data: t.TempDir(), looked: make(chan struct{}), refused: map[string]bool{}}
	var err error
	if w.Store, err = (app.Place{Data: w.data}).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.disk, err = (app.Place{Data: w.data}).OpenReadOnly(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.disk.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// follow begins to hold up commits; rest ends it.
func (w *witness) follow() { w.watch(true) }
func (w *witness) rest()   { w.watch(false) }

func (w *witness) watch(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watching = on
}

// committed is the newest event on the disk.
func (w *witness) committed() uint64 {
	last, err := w.disk.LastEvent(context.Background())
	if err != nil {
		w.Errorf("the database cannot be read: %v", err)
	}
	return last
}

// durable checks that event seq is on the disk.
func (w *witness) durable(what string, seq uint64) {
	if last := w.committed(); seq > last {
		w.Errorf("%s of event %d, and only events up to %d are committed", what, seq, last)
	}
}

// Publish is bus.Bus's.
func (w *witness) Publish(n bus.Notice) {
	w.durable("a notice "+n.Kind, n.Seq)
	w.Bus.Publish(n)
}

// EventsAfter is what the streams ask when nothing new is in memory.
func (w *witness) EventsAfter(ctx context.Context, after uint64, limit int) ([]store.Event, error) {
	w.durable("a stream is past the frame", after)
	events, err := w.Store.EventsAfter(ctx, after, limit)
	if len(events) == 0 {
		w.mu.Lock()
		w.looks++
		close(w.looked)
		w.looked = make(chan struct{})
		w.mu.Unlock()
	}
	return events, err
}

// CommitBars is store.BarWriter's.
func (w *witness) CommitBars(ctx context.Context, bars []store.BarRecord) (int, uint64, error) {
	if err := w.hold(bars[0].Series, "bars", "start", bars[0].Start); err != nil {
		return 0, 0, err
	}
	kept, last, err := w.Store.CommitBars(ctx, bars)
	w.durable("a commit is answered", last)
	return kept, last, err
}

// CommitStep is store.StepWriter's.
func (w *witness) CommitStep(ctx context.Context, steps ...store.Step) (uint64, error) {
	for _, s := range steps {
		w.durable("the engine steps the bar", s.Cursor.BarSeq)
		if len(s.Entries) == 0 {
			continue // history
		}
		e, err := ledger.Decode(s.Entries[len(s.Entries)-1].Bytes)
		if err != nil || e.Issue == nil {
			w.Errorf("a step ends with %s, %v", show(s.Entries[len(s.Entries)-1]), err)
			continue
		}
		if err := w.hold(s.Series, "forecasts", "cutoff", e.Issue.Cutoff); err != nil {
			return 0, err
		}
	}
	last, err := w.Store.CommitStep(ctx, steps...)
	w.durable("a commit is answered", last)
	return last, err
}

// hold lets the streams look and asks the API before something is committed: neither may know of
// it, so the newest of the list has an older time in its field. A commit to each list fails once.
func (w *witness) hold(id market.SeriesID, list, field string, at market.Time) error {
	w.mu.Lock()
	watching, looks := w.watching, w.looks
	refuse := watching && w.held > 8 && !w.refused[list]
	if watching {
		w.held++
		w.refused[list] = w.refused[list] || refuse
	}
	w.mu.Unlock()
	if !watching {
		return nil
	}
	w.look(looks)
	var page struct{ Items []map[string]any }
	if err := fetch(fmt.Sprintf("%s/v1/series/%s/%s?limit=1", w.url, url.PathEscape(string(id)), list), &page); err != nil {
		w.Error(err)
	}
	for _, item := range page.Items {
		if newest, err := market.ParseTime(item[field].(string)); err != nil || newest >= at {
			w.Errorf("the API knows of %s of %s, %v, before they are committed", list, newest, err)
		}
	}
	if refuse {
		return store.ErrFull
	}
	return nil
}

// look wakes the streams and waits until they have looked twice after the first looks and found
// nothing: the first of the two may have begun earlier.
func (w *witness) look(looks int) {
	limit := time.After(time.Minute)
	for {
		w.mu.Lock()
		now, looked := w.looks, w.looked
		w.mu.Unlock()
		if now > looks+1 {
			return
		}
		w.Bus.Publish(bus.Notice{Kind: "look"})
		select {
		case <-looked:
		case <-limit:
			w.Error("the streams do not look for anything new")
			return
		}
	}
}

// stream is a browser's.
type stream struct {
	*testing.T
	after uint64 // the event that it begins after
	ids   chan uint64
}

// listen opens a stream, and holds each event against the disk when it comes.
func (w *witness) listen(t *testing.T) *stream {
	t.Helper()
	s := &stream{T: t, ids: make(chan uint64, 4096), after: w.committed()}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+"/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", fmt.Sprintf("%s-%d", w.Epoch(), s.after))
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Body.Close() })
	lines := bufio.NewReader(r.Body)
	next := func() (string, error) {
		line, err := lines.ReadString('\n')
		return strings.TrimSpace(line), err
	}
	go func() {
		defer close(s.ids)
		for {
			line, err := next()
			if err != nil {
				return // stopped
			}
			if strings.HasPrefix(line, "event: reset") {
				t.Error("the stream could not begin where it was asked to")
			}
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				seq, err := strconv.ParseUint(id[strings.LastIndexByte(id, '-')+1:], 10, 64)
				if err != nil {
					t.Errorf("the id of an event is %q", id)
				}
				w.durable("a stream carries the frame", seq)
				s.ids <- seq
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok && !json.Valid([]byte(data)) {
				t.Errorf("the data of an event is %q", data)
			}
		}
	}()
	return s
}

// until waits for the event last and returns all that came.
func (s *stream) until(last uint64) (ids []uint64) {
	s.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case id, ok := <-s.ids:
			if !ok {
				s.Fatalf("the stream ended after %d events", len(ids))
			}
			if ids = append(ids, id); id >= last {
				return ids
			}
		case <-limit:
			s.Fatalf("event %d did not come within a minute; %d others did", last, len(ids))
		}
	}
}

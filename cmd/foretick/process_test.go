package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// process is foretick running as a process of its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	url string
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var address = regexp.MustCompile(`http://[^ ]+`)

// start starts foretick serve and waits for its address.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, log: &lockedBuffer{}}
	p.cmd = exec.Command(os.Args[0], append([]string{"serve", "--addr", "127.0.0.1:0"}, args...)...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if p.url = strings.TrimSuffix(address.FindString(line), ")"); p.url == "" {
		t.Fatalf("no address in %q: %v\n%s", line, err, p.log)
	}
	return p
}

func (p *process) get(path string, into any) {
	p.t.Helper()
	r, err := http.Get(p.url + path)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.log)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %s %s %v", path, r.Status, b, err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		p.t.Fatalf("GET %s: %v in %s", path, err, b)
	}
}

// event is a server-sent event.
type event struct{ id, name, data string }

// watch reads the stream until it breaks or f returns false.
func (p *process) watch(ctx context.Context, lastID string, f func(event) bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/v1/stream", nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return // killed
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	var e event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" && !f(e) {
				return
			}
			e = event{}
		}
	}
}

const series = "sim:AMZN@1s"

// wholeProgram says why a test of the whole program is skipped under the race detector.
const wholeProgram = "a long test of the whole program, through the goroutines that TestKillNine and the tests of internal/app start"

// kills is how often TestKillNine kills the program on each store; FORETICK_TEST_KILLS sets another
// number.
func kills(t *testing.T) int {
	v := os.Getenv("FORETICK_TEST_KILLS")
	switch {
	case v != "":
	case testdata.Long:
		return 200
	case testdata.Race:
		return 3
	default:
		return 10
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("FORETICK_TEST_KILLS is %q, no number of rounds", v)
	}
	return n
}

// minutes writes n bars of a minute, without a hole.
func minutes(t *testing.T, n int) (path string) {
	t.Helper()
	var b strings.Builder
	b.WriteString("time,open,high,low,close,volume\n")
	price := 30_000.0
	for i := range n {
		next := price + float64(i*i%41) - 20
		fmt.Fprintf(&b, "%s,%.2f,%.2f,%.2f,%.2f,%d\n", time.Date(2024, 3, 1, 0, i, 0, 0, time.UTC).Format(time.RFC3339), price, max(price, next)+1, min(price, next)-1, next, 1+i%9)
		price = next
	}
	path = filepath.Join(t.TempDir(), "BTCUSD.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKillNine kills the program at odd moments while a client watches, again and again on the same
// store: all that the client was shown is stored and stays as it was, bars are there once and none is
// missing, and chains verify (laws 1, 2 and 7).
func TestKillNine(t *testing.T) {
	for name, at := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killNine(t, at, kills(t))
		})
	}
}

func killNine(t *testing.T, at app.Place, rounds int) {
	// 50 bars a second; what was stored is not played again.
	file := minutes(t, 200*rounds+1000)
	args := append(flags(at), "--feed", "replay", "--file", file, "--speed", "3000", "--start", "2024-03-01T01:00:00Z", "--rollup", "5m", "--models", "naive,ewma", "--horizons", "2", "--log", "error")
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	seen := map[string]event{} // by id
	last := ""
	for round := range rounds {
		p := start(t, args...)
		ctx, cancel := context.WithCancel(t.Context())
		fresh := map[string]event{}
		after := 1 + random.IntN(30)
		wait := time.Duration(random.IntN(30_000)) * time.Microsecond
		var watching sync.WaitGroup
		enough := make(chan struct{})
		watching.Go(func() {
			p.watch(ctx, last, func(e event) bool {
				if e.id == "" {
					return true
				}
				if was, ok := seen[e.id]; ok && was != e {
					t.Errorf("event %s was %s, and is %s after a restart", e.id, was.data, e.data)
				}
				fresh[e.id], last = e, e.id
				if len(fresh) == after {
					close(enough)
				}
				return true
			})
		})
		select {
		case <-enough:
		case <-time.After(60 * time.Second):
			t.Fatalf("round %d: the stream showed %d events, not %d\n%s", round, len(fresh), after, p.log)
		}
		<-time.After(wait) // a moment that nothing marks
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.cmd.Wait() // it was killed
		watching.Wait()
		cancel()
		checkSeen(t, at, fresh)
		maps.Copy(seen, fresh)
		if round%3 == 2 { // from the beginning, not from where it was
			last = ""
		}
	}
	checkSeen(t, at, seen)
	verify(t, at)
	st, err := at.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	const minute = "file:BTCUSD@1m"
	bars, err := st.Bars(t.Context(), minute, store.Range{Limit: 1 << 20})
	if err != nil || len(bars) < 60 {
		t.Fatalf("%d bars, %v", len(bars), err)
	}
	for i, b := range bars {
		if b.Start != bars[0].Start+market.Time(i)*market.Time(time.Minute/time.Microsecond) || b.Revision != 0 {
			t.Fatalf("bar %d is %+v", i, b)
		}
	}
	log, err := st.BarLog(t.Context(), minute, 0, 1<<20)
	if err != nil || len(log) != len(bars) {
		t.Errorf("%d bars in the log, %d stored, %v", len(log), len(bars), err)
	}
	events, err := st.EventsAfter(t.Context(), 0, 1<<20)
	if err != nil || len(events) < len(seen) {
		t.Errorf("%d events, %d were shown, %v", len(events), len(seen), err)
	}
	for i, e := range events {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has the number %d", i+1, e.Seq)
		}
	}
	t.Logf("%d kills: %d events were shown, %d are stored", rounds, len(seen), len(events))
}

// TestGapIsOnRecord kills a live program: history is there at once after the restart, and the time
// during which it was down is on record (law 7).
func TestGapIsOnRecord(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	at := app.Place{Data: filepath.Join(t.TempDir(), "data")}
	p := start(t, "--data", at.Data, "--rollup", "none", "--models", "naive")
	p.watch(t.Context(), "", func(e event) bool { return e.name != "forecast" }) // history has been stored by then
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait() // it was killed
	p = start(t, "--data", at.Data, "--rollup", "none", "--models", "naive")
	var bars struct{ Items []market.Bar }
	p.get("/v1/series/"+series+"/bars?limit=1000", &bars)
	if len(bars.Items) < 600 {
		t.Errorf("%d bars of history after the restart", len(bars.Items))
	}
	var gaps struct{ Items []json.RawMessage }
	deadline := time.Now().Add(20 * time.Second)
	for len(gaps.Items) == 0 && time.Now().Before(deadline) {
		p.get("/v1/series/"+series+"/gaps", &gaps)
	}
	if len(gaps.Items) == 0 {
		t.Error("the time during which the program was down is not on record")
	}
	stop(t, p)
	verify(t, at)
}

// places are one of each kind of store.
func places(t *testing.T) map[string]app.Place {
	return map[string]app.Place{
		"sqlite":   {Data: filepath.Join(t.TempDir(), "data")},
		"postgres": {Data: filepath.Join(t.TempDir(), "none"), Store: pgtest.Open(t)},
	}
}

// flags name a place on the command line.
func flags(at app.Place) []string {
	if at.Store != "" {
		return []string{"--store", at.Store, "--data", at.Data}
	}
	return []string{"--data", at.Data}
}

// checkSeen finds everything that was shown to a client in the store.
func checkSeen(t *testing.T, at app.Place, seen map[string]event) {
	t.Helper()
	st, err := at.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for id, e := range seen {
		var d struct {
			Series market.SeriesID
			Entry  uint64
			Hash   ledger.Hash
			Bar    market.Bar
		}
		if err := json.Unmarshal([]byte(e.data), &d); err != nil {
			t.Fatalf("event %s: %v in %s", id, err, e.data)
		}
		if e.name == "bar" {
			got, err := st.Bars(t.Context(), d.Series, store.Range{From: d.Bar.Start, To: d.Bar.Start + 1})
			if err != nil || len(got) != 1 || got[0] != d.Bar {
				t.Fatalf("bar %+v was shown, the store has %+v, %v", d.Bar, got, err)
			}
			continue
		}
		got, err := st.Entries(t.Context(), d.Series, store.EntryQuery{From: d.Entry, To: d.Entry + 1})
		if err != nil || len(got) != 1 || e.name == "forecast" && got[0].Hash != d.Hash {
			t.Fatalf("%s %s was shown, the store has %v, %v", e.name, e.data, got, err)
		}
	}
}

func verify(t *testing.T, at app.Place) {
	t.Helper()
	var out bytes.Buffer
	if status := run(t.Context(), append([]string{"ledger", "verify"}, flags(at)...), &out, &out); status != 0 {
		t.Errorf("ledger verify: status %d\n%s", status, out.String())
	}
}

// stop asks p to stop and wants it gone, cleanly, within the five seconds it
// promises (and the test machine's own slowness).
func stop(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("stopping: %v\n%s", err, p.log)
	}
}

// TestStopLosesNothing stops the program while clients watch.
func TestStopLosesNothing(t *testing.T) {
	for name, at := range places(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stopLosesNothing(t, at)
		})
	}
}

func stopLosesNothing(t *testing.T, at app.Place) {
	p := start(t, flags(at)...)
	seen := map[string]event{}
	var watching sync.WaitGroup
	first := make(chan struct{})
	watching.Go(func() {
		p.watch(t.Context(), "", func(e event) bool {
			if e.id != "" {
				if len(seen) == 0 {
					close(first)
				}
				seen[e.id] = e
			}
			return true
		})
	})
	<-first
	stop(t, p)
	watching.Wait()
	checkSeen(t, at, seen)
	st, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	_, cursor, err := st.Head(t.Context(), series)
	if err != nil {
		t.Fatal(err)
	}
	left, err := st.BarLog(t.Context(), series, cursor.BarSeq, 10)
	if err != nil || len(left) > 0 {
		t.Errorf("%d bars were stored but not forecast, %v", len(left), err)
	}
	verify(t, at)
}

func TestSecondProcessIsRefused(t *testing.T) {
	for name, at := range places(t) {
		t.Run(name, func(t *testing.T) {
			start(t, flags(at)...)
			var out bytes.Buffer
			if status := run(t.Context(), append([]string{"serve", "--addr", "127.0.0.1:0"}, flags(at)...), &out, &out); status != 1 {
				t.Errorf("status %d", status)
			}
			want := "another Foretick writes to this database"
			if at.Store == "" {
				want = at.Data
			}
			if !strings.Contains(out.String(), "in use by another process") || !strings.Contains(out.String(), want) {
				t.Errorf("it says %q", out.String())
			}
			verify(t, at) // reading beside it is fine
		})
	}
}

func TestUnwritableFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if status := run(t.Context(), []string{"serve", "--addr", "127.0.0.1:0", "--data", filepath.Join(file, "data")}, &out, &out); status != 1 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(out.String(), file) {
		t.Errorf("it says %q", out.String())
	}
}

// TestTamperedDatabase changes bytes of sealed entries in the database file.
func TestTamperedDatabase(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", dir, "--rollup", "none")
	n := 0
	p.watch(t.Context(), "", func(e event) bool {
		if e.name == "forecast" {
			n++
		}
		return n < 3
	})
	stop(t, p)
	verify(t, app.Place{Data: dir})
	path := filepath.Join(dir, app.DatabaseFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(whole, []byte("ewma@"))
	if at < 0 {
		t.Fatal("no sealed forecast in the database file")
	}
	for _, off := range []int{0, 24, 42, 100} { // name, target, point, a quantile
		b := bytes.Clone(whole)
		b[at+off] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if status := run(t.Context(), []string{"ledger", "verify", "--data", dir}, &out, &out); status != 1 || !strings.Contains(out.String(), "entry") {
			t.Errorf("byte %d changed: status %d\n%s", at+off, status, out.String())
		}
	}
}

// TestExportVerifiesAlone takes a chain out as JSON lines, checks it without the
// database, and changes it.
func TestExportVerifiesAlone(t *testing.T) {
	testdata.SkipRaced(t, wholeProgram)
	dir := filepath.Join(t.TempDir(), "data")
	p := start(t, "--data", dir, "--rollup", "none")
	n := 0
	p.watch(t.Context(), "", func(e event) bool {
		if e.name == "score" {
			n++
		}
		return n < 3
	})
	stop(t, p)
	file := filepath.Join(t.TempDir(), "ledger.jsonl")
	foretick := func(want int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		if status := run(t.Context(), args, &out, &out); status != want {
			t.Fatalf("foretick %v: status %d, want %d\n%s", args, status, want, out.String())
		}
		return out.String()
	}
	foretick(0, "ledger", "export", "--data", dir, "--out", file, series)
	if out := foretick(0, "ledger", "verify", "--file", file); !strings.Contains(out, "ok    "+series) {
		t.Errorf("it says %q", out)
	}
	if out := foretick(0, "ledger", "show", "--data", dir, series); !strings.Contains(out, "outcome") || !strings.Contains(out, "issue") {
		t.Errorf("show says %q", out)
	}
	lines, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func([]byte) []byte{
		"a digit": func(b []byte) []byte {
			i := bytes.LastIndex(b, []byte(`"point":`)) + len(`"point":`)
			b[i] = '1' + (b[i]-'0')%9
			return b
		},
		"a line removed": func(b []byte) []byte {
			all := bytes.SplitAfter(b, []byte("\n"))
			return bytes.Join(append(all[:2:2], all[3:]...), nil)
		},
	} {
		if err := os.WriteFile(file, change(bytes.Clone(lines)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := foretick(1, "ledger", "verify", "--file", file); !strings.Contains(out, "line") {
			t.Errorf("%s: it says %q", name, out)
		}
	}
}

// TestOriginalContract asks the questions that the original demo's pages ask.
func TestOriginalContract(t *testing.T) {
	p := start(t, "--data", filepath.Join(t.TempDir(), "data"))
	p.watch(t.Context(), "", func(e event) bool { return e.name != "bar" }) // until there is one
	var bar, again map[string]any
	p.get("/stock_data", &bar)
	for _, k := range []string{"timestamp", "open", "high", "low", "close"} {
		if _, ok := bar[k]; !ok || len(bar) != 5 {
			t.Errorf("/stock_data answers %v", bar)
		}
	}
	p.get("/stock_data", &again)
	for _, path := range []string{"/predict", "/predict_next_price"} {
		r, err := http.Post(p.url+path, "application/json", strings.NewReader(`{"prices":[120,121.4,126.9,128.0,127.8,129.1,130.1]}`))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || strings.TrimSpace(string(b)) != `{"result":130.1}` {
			t.Errorf("%s answers %s %s %v", path, r.Status, b, err)
		}
	}
	r, err := http.Post(p.url+"/predict", "application/json", strings.NewReader(`{"prices":[1,2]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var problem struct{ Error string }
	if err := json.NewDecoder(r.Body).Decode(&problem); err != nil || r.StatusCode != 422 || problem.Error != "7 lookback prices are required." {
		t.Errorf("two prices: %s %+v %v", r.Status, problem, err)
	}
}

package desk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
)

// job counts to a number.
type job struct {
	desk.Head
	To    int `json:"to"`
	Count int `json:"count"`
}

// shop is a desk whose work waits for a word of the test: the number of steps to take, or
// an error.
type shop struct {
	*desk.Desk[job, *job]
	st      store.DocumentStore
	say     chan any
	started chan string // ids, in the order in which they are worked on
	log     *bytes.Buffer
}

const extra = "job-extra" // kind of what is stored beside a job

func openStore(t *testing.T, dir string) store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func newShop(t *testing.T, st store.DocumentStore, resume bool) *shop {
	t.Helper()
	s := &shop{st: st, say: make(chan any), started: make(chan string, 100), log: new(bytes.Buffer)}
	work := func(ctx context.Context, j job, update func(func(*job))) error {
		s.started <- j.ID
		if err := st.PutDocuments(context.WithoutCancel(ctx), store.Document{Kind: extra, Name: j.ID, Body: []byte("x")}); err != nil {
			return err
		}
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case w := <-s.say:
				switch w := w.(type) {
				case error:
					return w
				case int:
					update(func(j *job) { j.Count += w })
					if j.Count += w; j.Count >= j.To {
						return nil
					}
				}
			}
		}
	}
	var err error
	s.Desk, err = desk.New[job, *job](t.Context(), desk.Config[job]{Name: "job", Prefix: "j", Store: st, Work: work, Resume: resume, Now: time.Now,
		Forget: func(ctx context.Context, id string) error { return st.DeleteDocument(ctx, extra, id) },
		Log:    slog.New(slog.NewTextHandler(s.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs the desk until the returned function is called.
func (s *shop) serve(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func (s *shop) submit(t *testing.T, to int) string {
	t.Helper()
	j, err := s.Submit(t.Context(), job{To: to})
	if err != nil || j.State != desk.Queued || !strings.HasPrefix(j.ID, "j") || j.To != to {
		t.Fatalf("%+v, %v", j, err)
	}
	return j.ID
}

// is checks the state of a job when everybody waits, and returns it.
func (s *shop) is(t *testing.T, id string, want desk.State) job {
	t.Helper()
	synctest.Wait()
	j, err := s.Job(id)
	if err != nil || j.State != want {
		t.Fatalf("%s is %+v (%v), want %s", id, j, err, want)
	}
	return j
}

// kept reports whether something is stored beside a job.
func (s *shop) kept(t *testing.T, id string) bool {
	t.Helper()
	_, err := s.st.Document(t.Context(), extra, id)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// A job waits, runs where all can watch it, and is done; the next one follows.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, openStore(t, t.TempDir()), false)
		first := s.submit(t, 3)
		defer s.serve(t)()
		second := s.submit(t, 1)
		s.is(t, first, desk.Running)
		s.is(t, second, desk.Queued)
		s.say <- 2
		if j := s.is(t, first, desk.Running); j.Count != 2 {
			t.Errorf("%+v", j)
		}
		s.say <- 1
		s.is(t, first, desk.Done)
		s.is(t, second, desk.Running)
		s.say <- errors.New("the bars are gone")
		if j := s.is(t, second, desk.Failed); j.Error != "the bars are gone" || !strings.Contains(s.log.String(), "the bars are gone") {
			t.Errorf("%+v, log %s", j, s.log)
		}
		if !s.kept(t, first) || s.kept(t, second) {
			t.Error("beside a job that is done something is stored, beside one that failed nothing")
		}
		if list := s.Jobs(); len(list) != 2 || list[0].ID != second || list[1].ID != first {
			t.Errorf("newest first: %+v", list)
		}
		for _, id := range []string{first, second} {
			if err := s.Delete(t.Context(), id); err != nil {
				t.Error(err)
			}
			if _, err := s.Job(id); !errors.Is(err, store.ErrNotFound) || s.kept(t, id) {
				t.Errorf("%s is still there: %v", id, err)
			}
			if err := s.Delete(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
				t.Error(err)
			}
		}
	})
}

// A job can be cancelled while it waits and while it runs; nothing is left beside it.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, openStore(t, t.TempDir()), true)
		defer s.serve(t)()
		runs, waits, last := s.submit(t, 1), s.submit(t, 1), s.submit(t, 1)
		s.is(t, runs, desk.Running)
		if !s.kept(t, runs) {
			t.Fatal("nothing is stored beside the job that runs")
		}
		for _, id := range []string{waits, runs} {
			if err := s.Delete(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			if j := s.is(t, id, desk.Cancelled); j.Error != "" || s.kept(t, id) {
				t.Errorf("%+v, kept %v", j, s.kept(t, id))
			}
		}
		s.is(t, last, desk.Running)
		s.say <- 1
		s.is(t, last, desk.Done)
		again := newShop(t, s.st, true)
		if j, err := again.Job(runs); err != nil || j.State != desk.Cancelled {
			t.Errorf("after a restart: %+v, %v", j, err)
		}
	})
}

// A desk that is stopped leaves its jobs to the next one: they wait again, oldest first, or
// have failed.
func TestRestart(t *testing.T) {
	for _, resume := range []bool{true, false} {
		t.Run(fmt.Sprintf("resume=%v", resume), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				st := openStore(t, dir)
				s := newShop(t, st, resume)
				stop := s.serve(t)
				var jobs []string
				for i := range 4 {
					jobs = append(jobs, s.submit(t, i+1))
				}
				s.is(t, jobs[0], desk.Running)
				s.say <- 1
				s.is(t, jobs[0], desk.Done)
				s.is(t, jobs[1], desk.Running)
				stop()
				if err := st.Close(); err != nil {
					t.Fatal(err)
				}

				s = newShop(t, openStore(t, dir), resume)
				s.is(t, jobs[0], desk.Done)
				if !s.kept(t, jobs[1]) {
					t.Error("what was stored beside the job that was interrupted is gone")
				}
				if !resume {
					for _, id := range jobs[1:] {
						if j := s.is(t, id, desk.Failed); !strings.Contains(j.Error, "order it again") {
							t.Errorf("%+v", j)
						}
					}
					return
				}
				if err := s.Delete(t.Context(), jobs[1]); err != nil {
					t.Fatal(err)
				}
				if s.is(t, jobs[1], desk.Cancelled); s.kept(t, jobs[1]) {
					t.Error("something is stored beside a cancelled job")
				}
				next := s.submit(t, 9)
				if slices.Contains(jobs, next) {
					t.Errorf("the id %s is used twice", next)
				}
				defer s.serve(t)()
				for _, id := range append(jobs[2:], next) {
					s.is(t, id, desk.Running)
					s.say <- 9
					s.is(t, id, desk.Done)
				}
			})
		})
	}
}

// A job that ends while the process does has ended: the next process does not do it again.
func TestDoneWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openStore(t, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		cfg := desk.Config[job]{Name: "job", Prefix: "j", Store: st, Resume: true, Now: time.Now,
			Work: func(context.Context, job, func(func(*job))) error { cancel(); return nil }}
		d, err := desk.New[job, *job](t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		j, err := d.Submit(t.Context(), job{})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if d, err = desk.New[job, *job](t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if j, err = d.Job(j.ID); err != nil || j.State != desk.Done {
			t.Errorf("%+v, %v", j, err)
		}
	})
}

// Only so many wait, and only so many that have ended are kept.
func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t, openStore(t, t.TempDir()), true)
		for range 16 {
			s.submit(t, 1)
		}
		if j, err := s.Submit(t.Context(), job{}); !errors.Is(err, desk.ErrBusy) || !strings.Contains(err.Error(), "wait until one is done, or cancel one") || j.ID != "" {
			t.Errorf("%+v, %v", j, err)
		}
		newest := s.Jobs()[0].ID
		for n := range 230 { // cancelled while they wait, though nothing is ever done
			if err := s.Delete(t.Context(), newest); err != nil {
				t.Fatal(err)
			}
			newest = s.submit(t, n)
		}
		waiting, ended := 0, 0
		for _, j := range s.Jobs() {
			if j.State == desk.Queued {
				waiting++
			} else {
				ended++
			}
		}
		if waiting != 16 || ended != 200 {
			t.Errorf("%d wait and %d have ended", waiting, ended)
		}
		if docs, err := s.st.Documents(t.Context(), "job"); err != nil || len(docs) != 216 {
			t.Errorf("%d are stored (%v)", len(docs), err)
		}
	})
}

// A stored job that cannot be read is left out, with a word in the log.
func TestDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := openStore(t, t.TempDir())
		id := newShop(t, st, true).submit(t, 1)
		for name, body := range map[string]string{"j1": "no JSON", "j2": `{"id":"j3"}`, "j4": `[]`} {
			if err := st.PutDocuments(t.Context(), store.Document{Kind: "job", Name: name, Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
		s := newShop(t, st, true)
		if list := s.Jobs(); len(list) != 1 || list[0].ID != id {
			t.Errorf("%+v", list)
		}
		if n := strings.Count(s.log.String(), "cannot be read"); n != 3 {
			t.Errorf("%d words in the log: %s", n, s.log)
		}
	})
}

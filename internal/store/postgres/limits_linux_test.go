package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// with is an address with one more parameter.
func with(t testing.TB, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// begin opens the store at address with one series.
func begin(t testing.TB, address string) (*Store, market.SeriesID) {
	t.Helper()
	s, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	rec := storetest.Series("A")
	if err := s.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return s, rec.ID()
}

// whole checks that the store holds the bars 0 to n-1, each once, with events that have no hole.
func whole(t *testing.T, s *Store, id market.SeriesID, n int) {
	t.Helper()
	if got := count(t, s, id); got != n {
		t.Errorf("%d bars, want %d", got, n)
	}
	log, err := s.BarLog(t.Context(), "", 0, n+1)
	if err != nil || len(log) != n {
		t.Fatalf("%d bars in the log, want %d, %v", len(log), n, err)
	}
	for i := range log {
		if log[i].Seq != uint64(i+1) {
			t.Fatalf("bar %d of the log is event %d", i+1, log[i].Seq)
		}
	}
}

// Somebody holds a lock for longer than a write waits: the write fails, saying so, reads do too, the
// connection stays, and afterwards everything goes on.
func TestLocked(t *testing.T) {
	address := pgtest.Open(t)
	s, id := begin(t, with(t, address, "lock_timeout", "100"))
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 10)); err != nil {
		t.Fatal(err)
	}
	pid := s.w.pid
	other := connect(t, address)
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "LOCK TABLE bar IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := s.CommitBars(t.Context(), bars(id, 10, 20)); err == nil || !strings.Contains(err.Error(), "another session holds a lock") {
			t.Errorf("a write: %v", err)
		}
	}
	if _, err := s.Bars(t.Context(), id, store.Range{}); err == nil || !strings.Contains(err.Error(), "another session holds a lock") {
		t.Errorf("a read: %v", err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("what the lock is not on: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 20)); err != nil {
		t.Fatal(err)
	}
	whole(t, s, id, 20)
	if s.w.pid != pid {
		t.Error("the connection was given up for a lock")
	}
}

// Whoever asks whether the store can be written to does not wait for a writer that is held up.
func TestPingDoesNotWait(t *testing.T) {
	address := pgtest.Open(t)
	s, id := begin(t, with(t, address, "lock_timeout", "0"))
	other := connect(t, address)
	tx, err := other.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT FROM meta FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first is taken by the writer, the second waits behind it
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := s.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("held up: %v", err)
		}
		cancel()
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 20)); err != nil {
		t.Fatal(err)
	}
	whole(t, s, id, 20)
}

// A transaction that fails only because of others is tried again, a few times.
func TestSerializationFailures(t *testing.T) {
	address := pgtest.Open(t)
	s, id := begin(t, address)
	c := connect(t, address)
	for _, sql := range []string{
		"CREATE SEQUENCE failures",
		`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF nextval('failures') % 4 <> 0 THEN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$`,
		"CREATE TRIGGER fail BEFORE UPDATE ON chain FOR EACH ROW EXECUTE FUNCTION fail()",
	} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		if kept, _, err := s.CommitBars(t.Context(), bars(id, 10*i, 10*i+10)); err != nil || kept != 10 {
			t.Fatal(kept, err)
		}
	}
	whole(t, s, id, 50)
	if _, err := c.Exec(t.Context(), "ALTER SEQUENCE failures INCREMENT BY 4"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), "SELECT setval('failures', 1)"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CommitBars(t.Context(), bars(id, 50, 60)); err == nil || codeOf(err) != "40001" {
		t.Errorf("one that always fails: %v", err)
	}
	if _, err := c.Exec(t.Context(), "DROP TRIGGER fail ON chain"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CommitBars(t.Context(), bars(id, 50, 60)); err != nil {
		t.Fatal(err)
	}
	whole(t, s, id, 60)
}

// Where every transaction is serializable, one that another session got in the way of is tried again.
func TestSerializableByDefault(t *testing.T) {
	address := pgtest.Open(t)
	s, id := begin(t, with(t, address, "default_transaction_isolation", "serializable"))
	c := connect(t, address)
	done := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < 200 && err == nil; i++ {
			_, err = c.Exec(t.Context(), "UPDATE meta SET pings = pings + 1")
		}
		done <- err
	}()
	failed := 0
	for i := 0; i < 200; i++ {
		if _, _, err := s.CommitBars(t.Context(), bars(id, i, i+1)); err != nil {
			if !again(err) {
				t.Fatal(err)
			}
			failed++
			i-- // as ingest does
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	whole(t, s, id, 200)
	t.Logf("%d commits failed more than %d times", failed, maxAttempts)
}

// More readers than the server has connections for: all of them are answered.
func TestConnectionsExhausted(t *testing.T) {
	address := pgtest.Open(t)
	c := connect(t, address)
	var schema string
	if err := c.QueryRow(t.Context(), "SELECT current_schema()").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	role := "r" + schema
	for _, sql := range []string{"CREATE ROLE " + role + " LOGIN CONNECTION LIMIT 3", "ALTER SCHEMA " + schema + " OWNER TO " + role} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		// Cleanups run last first: the store is closed, the schema is still there.
		_, err := c.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role)
		if err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	s, id := begin(t, u.String())
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 100)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			for range 5 {
				if list, err := s.Bars(t.Context(), id, store.Range{}); err != nil || len(list) != 100 {
					t.Errorf("%d bars, %v", len(list), err)
				}
			}
		})
	}
	wg.Wait()
	if got := s.pool.Stat().TotalConns(); got > 3 {
		t.Errorf("%d connections", got)
	}
}

// The right to write is lost to nobody but the own session of before, which the server has not
// noticed the end of: that one is ended.
func TestOwnSessionLingers(t *testing.T) {
	server := pgtest.Own(t)
	dir := t.TempDir()
	var mu sync.Mutex
	var clients []net.Conn
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("unix", filepath.Join(server.Dir(), ".s.PGSQL.5432"))
			if err != nil {
				_ = client.Close()
				continue
			}
			mu.Lock()
			clients = append(clients, client)
			mu.Unlock()
			go func() { _, _ = io.Copy(behind, client) }() // its end is not passed on: the server waits
			go func() { _, _ = io.Copy(client, behind); _ = client.Close() }()
		}
	}()
	s, id := begin(t, with(t, server.Schema(t), "host", dir))
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 10)); err != nil {
		t.Fatal(err)
	}
	first := s.w.pid
	mu.Lock()
	for _, c := range clients {
		_ = c.Close()
	}
	mu.Unlock()
	failed := 0
	for {
		_, _, err := s.CommitBars(t.Context(), bars(id, 10, 20))
		if err == nil {
			break
		}
		if failed++; failed > 5 {
			t.Fatal(err)
		}
	}
	whole(t, s, id, 20)
	if s.w.pid == first {
		t.Error("the connection was not cut")
	}
}

// A database that is behind what was committed to it, as after a failover to a standby that lagged, is
// not written to by the process that knows better; the next one goes on, under another epoch.
func TestDatabaseWentBack(t *testing.T) {
	address := pgtest.Open(t)
	s, id := begin(t, address)
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 100)); err != nil {
		t.Fatal(err)
	}
	c := connect(t, address)
	for _, sql := range []string{"DELETE FROM bar WHERE seq > 90", "DELETE FROM event WHERE seq > 90", "UPDATE meta SET last_event = 90"} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, _, err := s.CommitBars(t.Context(), bars(id, 100, 110)); err == nil || !strings.Contains(err.Error(), "ends with event 90, although 100 was committed") {
			t.Errorf("a write: %v", err)
		}
	}
	if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "Restart Foretick") {
		t.Errorf("it can be written to: %v", err)
	}
	epoch := s.Epoch()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, _ = begin(t, address)
	if s.Epoch() == epoch {
		t.Error("event numbers were given again under the same epoch")
	}
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 110)); err != nil {
		t.Fatal(err)
	}
	whole(t, s, id, 110)
}

// The disk of the server is full: nothing of a refused batch stays, the error says what it is, and with
// room again everything goes on. It needs the right to mount a small file system; without, the server
// is forbidden larger files, which ends in the same place of it.
func TestServerDiskFull(t *testing.T) {
	server := pgtest.Own(t)
	address := server.Schema(t)
	small := t.TempDir()
	var room func()
	err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=4m,mode=0777")
	switch {
	case err == nil:
		t.Log("the disk is a tmpfs of 4 MB")
		name := "small" + filepath.Base(filepath.Dir(small)) + fmt.Sprint(time.Now().UnixNano())
		name = strings.ToLower(strings.Map(func(r rune) rune {
			if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
				return r
			}
			return -1
		}, name))
		space := filepath.Join(small, "space")
		if err := os.Mkdir(space, 0o700); err != nil {
			t.Fatal(err)
		}
		if uid, gid := server.Owner(); uid >= 0 {
			if err := os.Chown(space, uid, gid); err != nil {
				t.Fatal(err)
			}
			for dir := small; dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
				if err := os.Chmod(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := server.Exec(t.Context(), "CREATE TABLESPACE "+name+" LOCATION '"+space+"'"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			for _, sql := range []string{"DROP SCHEMA IF EXISTS " + schemaOf(t, address) + " CASCADE", "DROP TABLESPACE " + name} {
				if err := server.Exec(context.Background(), sql); err != nil {
					t.Error(err)
				}
			}
			if err := unix.Unmount(small, 0); err != nil {
				t.Error(err)
			}
		})
		address = with(t, address, "default_tablespace", name)
		room = func() {
			if err := unix.Mount("tmpfs", small, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
				t.Fatal(err)
			}
		}
	default:
		t.Logf("no file system can be mounted (%v): files of the server end at 17 MB", err)
		var before unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
		// A process has the limits of the one that starts it.
		again := func(limit uint64) {
			server.Kill()
			if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: before.Max}); err != nil {
				t.Fatal(err)
			}
			err := server.Run()
			if err := errors.Join(err, unix.Setrlimit(unix.RLIMIT_FSIZE, &before)); err != nil {
				t.Fatal(err)
			}
		}
		again(17 << 20) // a segment of the write-ahead log has 16
		room = func() { again(before.Cur) }
		t.Cleanup(room)
	}
	s, id := begin(t, address)
	kept, step := 0, 3000
	for {
		_, _, err := s.CommitBars(t.Context(), bars(id, kept, kept+step))
		if err == nil {
			if kept += step; kept > 1_000_000 {
				t.Fatal("it is never full")
			}
			continue
		}
		if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "free some space on the server's disk") {
			t.Fatal(err)
		}
		break
	}
	if got := count(t, s, id); kept == 0 || got != kept {
		t.Errorf("%d bars are stored, %d were kept", got, kept)
	}
	room()
	for range 3 {
		if _, _, err = s.CommitBars(t.Context(), bars(id, kept, kept+step)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	whole(t, s, id, kept+step)
}

func schemaOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("search_path")
}

// A request that was given up before the writer came to it leaves no trace, not even alone.
func TestGivenUp(t *testing.T) {
	s := open(t)
	r := &request{done: make(chan error, 1)} // to run it would panic
	r.taken.Store(true)
	s.requests <- r
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

package postgres

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store/postgres/pgtest"
)

// The primary dies, its synchronous standby is promoted: the same store goes on there, by an address
// that names both, with everything that was committed.
func TestFailover(t *testing.T) {
	primary, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer primary.Stop()
	address := primary.Schema(t)
	standby, err := primary.Standby()
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Stop()
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := primary.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// The standby stands first: which of the two may be written to is found out.
	address = with(t, address, "host", standby.Dir()+","+primary.Dir())
	if s, err := Open(t.Context(), address, Options{}); err == nil || !strings.Contains(err.Error(), "name the primary") {
		t.Errorf("a standby: %v", err)
		if err == nil {
			_ = s.Close()
		}
	}
	s, id := begin(t, with(t, address, "target_session_attrs", "read-write"))
	epoch := s.Epoch()
	written := make(chan int)
	go func() {
		n := 0
		defer func() { written <- n }()
		for ; n < 2000; n += 10 {
			if _, _, err := s.CommitBars(context.Background(), bars(id, n, n+10)); err != nil {
				return
			}
			if n == 200 {
				written <- n
			}
		}
	}()
	<-written
	primary.Kill()
	n := <-written
	if err := s.Ping(t.Context()); err == nil {
		t.Error("without a primary it can be written to")
	}
	if err := standby.Exec(t.Context(), "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; {
		if _, _, err = s.CommitBars(t.Context(), bars(id, n, n+20)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	whole(t, s, id, n+20)
	if s.Epoch() != epoch {
		t.Error("it is another store")
	}
}

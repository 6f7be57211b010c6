package storetest

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Migratable is one database of the version that the program writes. Each method takes the
// migrations that a later program has in addition, as SQL that both stores understand.
type Migratable interface {
	Open(ctx context.Context, more ...string) (store.Store, error)
	OpenReader(ctx context.Context, more ...string) (store.Store, error)
	Inspect(ctx context.Context, more ...string) (store.Info, error)
	// Start starts a process that opens the database and says nothing.
	Start(more ...string) *exec.Cmd
	// Busy reports whether a process is in the middle of a migration.
	Busy() bool
	// Endless is SQL that writes and does not end.
	Endless() string
	// Ask returns one number, read past the store.
	Ask(sql string) (int64, error)
}

// Migrations that a test invents.
const (
	addTable  = "CREATE TABLE later (id integer PRIMARY KEY, bars bigint NOT NULL); INSERT INTO later SELECT series, count(*) FROM bar GROUP BY series;"
	addColumn = "ALTER TABLE later ADD COLUMN twice bigint NOT NULL DEFAULT 0; UPDATE later SET twice = 2 * bars;"
	breaks    = "CREATE TABLE half (id integer); INSERT INTO half VALUES (1); INSERT INTO nowhere VALUES (1);"
	noCandles = "DELETE FROM rollup; DELETE FROM rollup_state;"
)

// ExerciseMigrations checks what becomes of a database of the version that the program
// writes when a later program, with migrations of its own, opens it. open returns such a
// database, and what the program that wrote it said of it.
func ExerciseMigrations(t *testing.T, open func(*testing.T) (Migratable, Earlier)) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Migratable, Earlier)
	}{
		{"one after the other", migrateInTurn},
		{"one fails half-way", migrateHalf},
		{"a process is killed in the middle", migrateKilled},
		{"one is called off in the middle", migrateCalledOff},
		{"a newer schema is refused", migrateNewer},
		{"candles are made anew a few at a time", migrateCandles},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db, said := open(t)
			c.run(t, db, said)
		})
	}
}

// ask wants a number.
func ask(t *testing.T, db Migratable, sql string, want int64) {
	t.Helper()
	got, err := db.Ask(sql)
	check(t, err)
	equal(t, sql, got, want)
}

// standing wants a database to have later migrations, of which the program knows all that are given.
func standing(t *testing.T, db Migratable, before store.Info, later int, more ...string) {
	t.Helper()
	info, err := db.Inspect(t.Context(), more...)
	check(t, err)
	equal(t, "version", info.Version, before.Version+later)
	equal(t, "newest version", info.Newest, before.Newest+len(more))
	if later == len(more) {
		equal(t, "counts", info.Counts, before.Counts)
		equal(t, "last event", info.LastEvent, before.LastEvent)
	}
	equal(t, "epoch", info.Epoch, before.Epoch)
	equal(t, "bars", info.Counts.Bars, before.Counts.Bars)
	equal(t, "entries", info.Counts.Entries, before.Counts.Entries)
}

// migrate opens a database for writing and closes it.
func migrate(t *testing.T, db Migratable, more ...string) error {
	t.Helper()
	s, err := db.Open(t.Context(), more...)
	if err != nil {
		return err
	}
	return s.Close()
}

// sound reads everything back and goes on writing.
func sound(t *testing.T, db Migratable, said Earlier, more ...string) {
	t.Helper()
	s, err := db.Open(t.Context(), more...)
	check(t, err)
	ExerciseEarlier(t, s, said)
	check(t, s.Close())
}

func inspect(t *testing.T, db Migratable) store.Info {
	t.Helper()
	info, err := db.Inspect(t.Context())
	check(t, err)
	if !info.Current() || info.Counts.Bars == 0 || info.Counts.Entries == 0 || info.Counts.Scores == 0 {
		t.Fatalf("there is nothing to lose in %+v", info)
	}
	return info
}

func migrateInTurn(t *testing.T, db Migratable, said Earlier) {
	before := inspect(t, db)
	_, err := db.OpenReader(t.Context(), addTable, addColumn)
	wantError(t, err, store.ErrVersion)
	if !strings.Contains(err.Error(), "foretick db migrate") {
		t.Errorf("a reader is told %q", err)
	}
	standing(t, db, before, 0, addTable, addColumn) // to read changes nothing
	for range 2 {                                   // the second time there is nothing to do
		check(t, migrate(t, db, addTable, addColumn))
		standing(t, db, before, 2, addTable, addColumn)
		ask(t, db, "SELECT sum(twice) FROM later", 2*before.Counts.Bars)
	}
	sound(t, db, said, addTable, addColumn)
}

func migrateHalf(t *testing.T, db Migratable, said Earlier) {
	before := inspect(t, db)
	for range 2 { // and again at the next start
		err := migrate(t, db, addTable, breaks, addColumn)
		if err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Fatalf("a migration that fails: %v", err)
		}
		standing(t, db, before, 1, addTable)
		if _, err := db.Ask("SELECT count(*) FROM half"); err == nil {
			t.Error("half of the migration is left")
		}
	}
	check(t, migrate(t, db, addTable)) // who knows only the first goes on with it
	check(t, migrate(t, db, addTable, addColumn))
	ask(t, db, "SELECT sum(twice) FROM later", 2*before.Counts.Bars)
	sound(t, db, said, addTable, addColumn)
}

func migrateKilled(t *testing.T, db Migratable, said Earlier) {
	before := inspect(t, db)
	c := db.Start(addTable, db.Endless())
	check(t, c.Start())
	begun := inTheMiddle(t, db, before)
	check(t, c.Process.Kill())
	if err := c.Wait(); err == nil || !begun {
		t.Fatalf("begun %t, the process ended with %v", begun, err)
	}
	goesOn(t, db, said, before)
}

func migrateCalledOff(t *testing.T, db Migratable, said Earlier) {
	before := inspect(t, db)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { _, err := db.Open(ctx, addTable, db.Endless()); ended <- err }()
	begun := inTheMiddle(t, db, before)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) || !begun {
		t.Fatalf("begun %t, it ended with %v", begun, err)
	}
	goesOn(t, db, said, before)
}

// inTheMiddle waits until the first of two migrations is made and the second runs.
func inTheMiddle(t *testing.T, db Migratable, before store.Info) bool {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		info, err := db.Inspect(t.Context(), addTable)
		if err == nil && info.Version == before.Version+1 && db.Busy() {
			return true
		}
	}
	return false
}

// goesOn makes a second migration that was broken off.
func goesOn(t *testing.T, db Migratable, said Earlier, before store.Info) {
	t.Helper()
	standing(t, db, before, 1, addTable)
	check(t, migrate(t, db, addTable, addColumn))
	standing(t, db, before, 2, addTable, addColumn)
	ask(t, db, "SELECT sum(twice) FROM later", 2*before.Counts.Bars)
	sound(t, db, said, addTable, addColumn)
}

func migrateNewer(t *testing.T, db Migratable, said Earlier) {
	before := inspect(t, db)
	check(t, migrate(t, db, addTable, addColumn))
	for _, knows := range [][]string{nil, {addTable}} {
		for name, open := range map[string]func(context.Context, ...string) (store.Store, error){"Open": db.Open, "OpenReader": db.OpenReader} {
			_, err := open(t.Context(), knows...)
			wantError(t, err, store.ErrVersion)
			if !strings.Contains(err.Error(), "use a newer Foretick") || !strings.Contains(err.Error(), "up to "+strconv.Itoa(before.Newest+len(knows))) {
				t.Errorf("%s says %q", name, err)
			}
		}
		standing(t, db, before, 2, knows...)
	}
	sound(t, db, said, addTable, addColumn)
}

// migrateCandles deletes the candles by a migration: what is too much for one transaction is left to
// Keeper.RollUp, which is called until there is nothing to do, and goes on where it was when the
// program was stopped.
func migrateCandles(t *testing.T, db Migratable, said Earlier) {
	var id market.SeriesID
	var most int
	charts := func(s store.Store) (list []market.Bar) {
		i, list, err := s.Chart(t.Context(), id, 0, 0, most)
		check(t, err)
		if len(list) == 0 || i == market.Minute {
			t.Fatalf("%d candles of %s", len(list), i)
		}
		return list
	}
	s, err := db.Open(t.Context())
	check(t, err)
	for name, bars := range said.Bars {
		if bars/3 > most {
			id, most = name, bars/3
		}
	}
	want := charts(s)
	check(t, s.Close())
	rolled := 0
	for steps := 0; ; steps++ {
		s, err := db.Open(t.Context(), noCandles)
		check(t, err)
		equalLists(t, "candles", charts(s), want, identical)
		n, err := s.RollUp(t.Context(), id, 20)
		check(t, errors.Join(err, s.Close()))
		if rolled += n; n == 0 {
			equal(t, "bars taken up", rolled, said.Bars[id])
			equal(t, "steps", steps, (rolled+19)/20)
			break
		}
	}
	sound(t, db, said, noCandles)
}

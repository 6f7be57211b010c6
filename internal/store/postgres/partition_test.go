package postgres

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// Every time and number has one partition, which borders on the next.
func TestPartsCoverEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of, value := partOfTime, rapid.Int64().Draw(t, "time")
		if rapid.Bool().Draw(t, "number") {
			of, value = partOfNumber, rapid.Int64Range(0, 1<<62).Draw(t, "number")
		}
		p := of(value)
		if value < p.from || value >= p.to && p.to != math.MaxInt64 {
			t.Fatalf("%d is in %+v", value, p)
		}
		if of(max(p.from, math.MinInt64+1)) != p || p.to != math.MaxInt64 && (of(p.to-1) != p || of(p.to).from != p.to) {
			t.Fatalf("%+v and %+v", p, of(p.to))
		}
	})
	for at, want := range map[string]string{"2024-02-29": "2024_02", "2019-12-31": "2010s", "1969-12-31": "1960s", "1850-01-01": "before_1900", "2500-01-01": "from_2200", "2020-01-01": "2020_01", "2024-12-31": "2024_12"} {
		d, err := time.Parse(time.DateOnly, at)
		if err != nil {
			t.Fatal(err)
		}
		if p := partOfTime(d.UnixMicro()); p.suffix != want {
			t.Errorf("%s is in %s, want %s", at, p.suffix, want)
		}
	}
}

func connect(t testing.TB, address string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // the server may be gone
	return c
}

func partitions(t *testing.T, c *pgx.Conn, table string) []string {
	t.Helper()
	rows, err := c.Query(t.Context(), "SELECT relname::text FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent = $1::regclass ORDER BY 1", table)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Partitions are made as bars of new months come, the one after the newest ahead of them; reads go over
// all of them, and one that somebody else has made is used.
func TestPartitions(t *testing.T) {
	address := pgtest.Open(t)
	s, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rec := storetest.Series("A")
	rec.Interval = market.Day
	if err := s.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	c := connect(t, address)
	if list := partitions(t, c, "bar"); len(list) != 0 {
		t.Errorf("an empty database has %v", list)
	}
	march := market.TimeOf(time.Date(2023, 3, 1, 0, 0, 0, 0, time.UTC))
	april := market.TimeOf(time.Date(2023, 4, 1, 0, 0, 0, 0, time.UTC))
	for _, sql := range []string{"CREATE TABLE my_own (LIKE bar INCLUDING ALL)", fmt.Sprintf("ALTER TABLE bar ATTACH PARTITION my_own FOR VALUES FROM (%d) TO (%d)", march, april)} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	days := func(from, to time.Time) (list []store.BarRecord) {
		for i, at := 0, from; at.Before(to); i, at = i+1, at.AddDate(0, 0, 1) {
			b := storetest.Bar(rec.ID(), i, 0)
			b.Start, b.End = market.TimeOf(at), market.TimeOf(at.AddDate(0, 0, 1))
			list = append(list, b)
		}
		return list
	}
	recent := days(time.Date(2023, 1, 10, 0, 0, 0, 0, time.UTC), time.Date(2023, 6, 10, 0, 0, 0, 0, time.UTC))
	old := days(time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2015, 6, 1, 0, 0, 0, 0, time.UTC))
	for _, list := range [][]store.BarRecord{recent[:100], old, recent[90:], recent, old} {
		if _, _, err := s.CommitBars(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"bar_2010s", "bar_2023_01", "bar_2023_02", "bar_2023_04", "bar_2023_05", "bar_2023_06", "bar_2023_07", "my_own"}
	if list := partitions(t, c, "bar"); !slices.Equal(list, want) {
		t.Errorf("partitions %v, want %v", list, want)
	}
	if list := partitions(t, c, "event"); !slices.Equal(list, []string{"event_0", "event_1"}) {
		t.Errorf("partitions %v", list)
	}
	revised := recent[60] // in March
	revised.Revision, revised.Close = 1, revised.High
	if kept, _, err := s.CommitBars(t.Context(), []store.BarRecord{revised}); err != nil || kept != 1 {
		t.Fatal(kept, err)
	}
	all := slices.Concat(old, recent)
	all[len(old)+60] = revised
	got, err := s.Bars(t.Context(), rec.ID(), store.Range{})
	if err != nil || len(got) != len(all) {
		t.Fatalf("%d bars, want %d, %v", len(got), len(all), err)
	}
	for i := range got {
		if got[i] != all[i].Bar {
			t.Fatalf("bar %d is %+v, want %+v", i, got[i], all[i].Bar)
		}
	}
	log, err := s.BarLog(t.Context(), "", 0, 1000)
	one, err1 := s.BarLog(t.Context(), rec.ID(), 0, 1000)
	if err != nil || err1 != nil || len(log) != len(all)+1 || !slices.Equal(log, one) {
		t.Fatalf("the log has %d and %d bars, want %d, %v, %v", len(log), len(one), len(all)+1, err, err1)
	}

	// Whoever removes the bars of a time leaves their events: the log goes on after them.
	if _, err := c.Exec(t.Context(), "ALTER TABLE bar DETACH PARTITION bar_2010s"); err != nil {
		t.Fatal(err)
	}
	log, err = s.BarLog(t.Context(), "", 100, 10) // 100 bars of 2023 came first, then those of 2015
	if err != nil || len(log) == 0 || log[0].Seq != uint64(100+len(old)+1) {
		t.Errorf("after the gap the log begins with %+v, %v", log, err)
	}
	plan, err := c.Query(t.Context(), "EXPLAIN SELECT * FROM bar WHERE series = 1 AND start >= $1 AND start < $2", int64(april), int64(april)+1)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(plan, pgx.RowTo[string])
	if text := strings.Join(lines, "\n"); err != nil || !strings.Contains(text, "bar_2023_04") || strings.Contains(text, "bar_2023_05") {
		t.Errorf("a range of April reads\n%s %v", text, err)
	}
}

// Processes that start at once on an empty database: one makes the schema, the others wait, one gets
// the right to write, and all see the same store.
func TestMigrateAtOnce(t *testing.T) {
	address := pgtest.Open(t)
	const processes = 4
	var wg sync.WaitGroup
	stores, errs := make([]*Store, processes), make([]error, processes)
	for i := range processes {
		wg.Go(func() { stores[i], errs[i] = Open(t.Context(), address, Options{}) })
	}
	wg.Wait()
	opened := 0
	for i, s := range stores {
		switch {
		case errs[i] == nil:
			opened++
			if err := s.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			defer s.Close()
		case !strings.Contains(errs[i].Error(), "another Foretick writes to this database"):
			t.Error(errs[i])
		}
	}
	if opened != 1 {
		t.Errorf("%d processes may write", opened)
	}
	c := connect(t, address)
	var times, versions int64
	if err := c.QueryRow(t.Context(), "SELECT count(*), count(DISTINCT version_id) FROM goose_db_version").Scan(&times, &versions); err != nil || times != versions || versions != current.newest+1 {
		t.Errorf("%d migrations were made, %d of them different, want %d, %v", times, versions, current.newest+1, err)
	}
}

// A reader that comes first, or too early, says what to do.
func TestReaderOfNothing(t *testing.T) {
	address := pgtest.Open(t)
	if _, err := Open(t.Context(), address, Options{ReadOnly: true}); err == nil || !strings.Contains(err.Error(), "holds nothing of Foretick's") {
		t.Errorf("an empty database: %v", err)
	}
	if _, err := Open(t.Context(), address+"_none", Options{}); err == nil || !strings.Contains(err.Error(), "no schema of the search path") {
		t.Errorf("no schema: %v", err)
	}
}

// Without TimescaleDB at hand, this is what can be shown of its path: the statements are those that it
// asks for, PostgreSQL runs all of them but the setting that only TimescaleDB knows (its functions are
// stood in for), and the store works on tables that are not partitioned.
func TestTimescale(t *testing.T) {
	address := pgtest.Open(t)
	c := connect(t, address)
	var schema string
	if err := c.QueryRow(t.Context(), "SELECT current_schema()").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	files, err := current.filesFor(schema)
	if err != nil {
		t.Fatal(err)
	}
	script, err := fs.ReadFile(files, "00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	const partitioned = 2 // clock and tick, beside hypertables, too
	if n := strings.Count(string(script), "PARTITION BY"); n != partitioned {
		t.Errorf("%d tables are partitioned beside hypertables, want %d", n, partitioned)
	}
	for _, sql := range []string{
		"CREATE TABLE called (what text)",
		"CREATE FUNCTION create_hypertable(relation regclass, time_column_name name, chunk_time_interval bigint, create_default_indexes boolean) RETURNS void LANGUAGE sql AS $$INSERT INTO called SELECT relation || ' by ' || time_column_name$$",
		"CREATE FUNCTION set_integer_now_func(hypertable regclass, integer_now_func regproc) RETURNS void LANGUAGE sql AS $$INSERT INTO called SELECT hypertable || ' now ' || integer_now_func$$",
		"CREATE FUNCTION add_compression_policy(hypertable regclass, compress_after bigint) RETURNS int LANGUAGE sql AS $$INSERT INTO called SELECT hypertable || ' after ' || compress_after; SELECT 1$$",
	} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	run := strings.Builder{}
	settings := 0
	for line := range strings.Lines(string(script)) {
		if strings.Contains(line, "SET (timescaledb.compress, timescaledb.compress_segmentby = 'series', timescaledb.compress_orderby = '") {
			settings++
			continue
		}
		run.WriteString(line)
	}
	if settings != len(hypertables) || settings != len(growing)-partitioned {
		t.Errorf("%d tables are compressed, %d grow", settings, len(growing))
	}
	if _, err := c.Exec(t.Context(), run.String(), pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	var called int
	if err := c.QueryRow(t.Context(), "SELECT count(*) FROM called WHERE what IN ('bar by start', 'bar now foretick_now', 'score by target', 'event by seq', 'ledger by seq', 'ledger now foretick_events', 'bar after 7776000000000', 'bar_revision by start')").Scan(&called); err != nil || called != 8 {
		t.Errorf("%d of 8 calls, %v", called, err)
	}
	for _, f := range []string{"foretick_now", "foretick_events"} {
		var v *int64
		if err := c.QueryRow(t.Context(), "SELECT "+f+"()").Scan(&v); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Exec(t.Context(), "CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true)"); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rec := storetest.Series("A")
	if err := s.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	for _, r := range [][2]int{{0, 100}, {50, 200}} {
		if _, _, err := s.CommitBars(t.Context(), bars(rec.ID(), r[0], r[1])); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, s, rec.ID()); n != 200 {
		t.Errorf("%d bars", n)
	}
}

package replay_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/internal/feed/replay"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// text reads a file that is written out here.
func text(t testing.TB, name string, lines ...string) *csv.File {
	t.Helper()
	f, err := csv.ReadFrom(context.Background(), strings.NewReader(strings.Join(lines, "\n")), name, csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// own reads a file of the repository's own.
func own(t testing.TB, name string) *csv.File { return file(t, testdata.Market(t, name), "") }

// file reads a file under another symbol, or under that of its name.
func file(t testing.TB, path, symbol string) *csv.File {
	t.Helper()
	f, err := csv.Read(context.Background(), path, csv.Options{Instrument: market.Instrument{Symbol: symbol}})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func minutes(t testing.TB) *csv.File {
	return text(t, "A.csv", "time,open,high,low,close,volume",
		"2024-01-02T10:00:00Z,1,1,1,1,10",
		"2024-01-02T10:01:00Z,1,2,1,2,20",
		"2024-01-02T10:02:00Z,2,2,x,2,20",
		"2024-01-02T10:04:00Z,2,3,2,3,30",
		"2024-01-02T10:05:00Z,3,3,3,3,30")
}

func trades(t testing.TB) *csv.File {
	return text(t, "B_ticks.csv", "time,price,size",
		"2024-01-02T10:00:30Z,7,1",
		"2024-01-02T10:01:00Z,8,2",
		"2024-01-02T10:01:00Z,9,3",
		"2024-01-02T10:05:20.5Z,9,3")
}

func at(s string) market.Time {
	t, err := market.ParseTime("2024-01-02T" + s + "Z")
	if err != nil {
		panic(err)
	}
	return t
}

func TestConformance(t *testing.T) {
	cases := map[string]struct {
		files func(testing.TB) []*csv.File
		opt   replay.Options
	}{
		"bars at max":      {func(t testing.TB) []*csv.File { return []*csv.File{own(t, "intraday/STOCK_1m.csv")} }, replay.Options{}},
		"bars at 60":       {func(t testing.TB) []*csv.File { return []*csv.File{own(t, "intraday/STOCK_1m.csv")} }, replay.Options{Speed: 60}},
		"ticks at 10":      {func(t testing.TB) []*csv.File { return []*csv.File{own(t, "ticks/COIN.csv")} }, replay.Options{Speed: 10}},
		"ticks and bars":   {func(t testing.TB) []*csv.File { return []*csv.File{trades(t), minutes(t)} }, replay.Options{Speed: 1, MaxPause: -1}},
		"history and rest": {func(t testing.TB) []*csv.File { return []*csv.File{trades(t), minutes(t)} }, replay.Options{Speed: 30, Start: at("10:02:00")}},
		"days of two": {func(t testing.TB) []*csv.File {
			return []*csv.File{own(t, "daily/STOCK.csv"), own(t, "daily/INDEX.csv")}
		}, replay.Options{Speed: 1e6}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			files := c.files(t)
			feedtest.Exercise(t, func(t testing.TB, now func() time.Time) feed.Source {
				c.opt.Now = now
				src, err := replay.New(files, c.opt)
				if err != nil {
					t.Fatal(err)
				}
				return src
			})
		})
	}
}

// show writes messages in short: the data's clock (or b for backfill), instrument,
// and closes or prices.
func show(all []feed.Message) []string {
	var out []string
	for _, m := range all {
		var s strings.Builder
		switch {
		case m.Backfill:
			s.WriteString("backfill")
		case m.Clock != 0:
			s.WriteString(m.Clock.Std().Format("15:04:05.999"))
		}
		if m.Instrument != "" {
			s.WriteString(" " + m.Instrument)
		}
		for _, b := range m.Bars {
			fmt.Fprintf(&s, " %g", b.Close)
		}
		for _, tick := range m.Ticks {
			fmt.Fprintf(&s, " %g", tick.Price)
		}
		for _, r := range m.Rejects {
			fmt.Fprintf(&s, "%s line %d", r.Source, r.Line)
		}
		if m.State != "" {
			fmt.Fprintf(&s, " %s: %s", m.State, m.Detail)
		}
		out = append(out, strings.TrimSpace(s.String()))
	}
	return out
}

func play(t *testing.T, resume feed.Resume, opt replay.Options, files ...*csv.File) (all []feed.Message, took time.Duration) {
	t.Helper()
	if resume == nil {
		resume = feedtest.Nothing
	}
	synctest.Test(t, func(t *testing.T) {
		opt.Now = time.Now
		src, err := replay.New(files, opt)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		all = feedtest.Record(t, src, resume, 1000*time.Hour, -1)
		took = time.Since(began)
		if done, total := src.Progress(); done != total {
			t.Errorf("progress at the end is %d of %d", done, total)
		}
	})
	return all, took
}

func TestOrder(t *testing.T) {
	live := []string{
		"10:00:30 file:B 7",
		"10:01:00 file:A 1",
		"10:01:00 file:B 8 9",
		"10:02:00 file:A 2",
		"10:05:00 file:A 3",
		"10:05:20.5 file:B 9",
		"10:06:00 file:A 3",
	}
	begin := func(rows string) []string {
		return []string{"running: playing " + rows, "A.csv line 4"}
	}
	end := func(rows int) string {
		return fmt.Sprintf("10:06:00 finished: played %d rows to the end; 1 rows were refused", rows)
	}
	cases := map[string]struct {
		opt    replay.Options
		stored map[market.SeriesID]market.Time
		want   []string
	}{
		"everything": {want: append(append(begin("8 rows of 2 instruments as fast as possible"), live...), end(8))},
		"from a start": {
			opt: replay.Options{Start: at("10:02:30")},
			// The tick builds a bar that lies before the start.
			want: append(append(begin("8 rows of 2 instruments as fast as possible"),
				"backfill file:A 1 2", "backfill file:B 7 8 9"), append(live[4:], end(8))...),
		},
		"resumed": {
			stored: map[market.SeriesID]market.Time{"file:A@1m": at("10:01:00"), "file:B@1m": at("10:00:00")},
			want: append(append(begin("5 rows of 2 instruments as fast as possible; 3 rows are stored already"),
				"10:01:00 file:B 8 9"), append(live[4:], end(5))...),
		},
		"all stored": {
			stored: map[market.SeriesID]market.Time{"file:A@1m": at("10:05:00"), "file:B@1m": at("10:05:00")},
			want:   append(begin("0 rows of 2 instruments as fast as possible; 8 rows are stored already"), end(0)),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			all, _ := play(t, func(id market.SeriesID) (market.Time, bool) { s, ok := c.stored[id]; return s, ok }, c.opt, minutes(t), trades(t))
			if d := cmp.Diff(c.want, show(all)); d != "" {
				t.Errorf("messages (-want +got):\n%s", d)
			}
		})
	}
}

func TestSpeedChangesNothing(t *testing.T) {
	// Minutes and trades of the same days.
	files := []*csv.File{own(t, "intraday/STOCK_1m.csv"), file(t, testdata.Market(t, "ticks/STOCK.csv.gz"), "TRADES")}
	want, took := play(t, nil, replay.Options{}, files...)
	if took != 0 {
		t.Errorf("as fast as possible took %s of waiting", took)
	}
	for _, speed := range []float64{0.5, 60, 1e5} {
		got, _ := play(t, nil, replay.Options{Speed: speed}, files...)
		got[0].Detail, want[0].Detail = "", ""
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("at %g times real time messages differ (-max +paced):\n%s", speed, d)
		}
	}
}

func TestPace(t *testing.T) {
	nights := text(t, "A.csv", "time,close", "2024-01-05T20:58:00Z,1", "2024-01-05T20:59:00Z,1", "2024-01-08T14:30:00Z,1", "2024-01-08T14:31:00Z,1")
	cases := map[string]struct {
		file *csv.File
		opt  replay.Options
		want time.Duration
	}{
		"real time":                             {minutes(t), replay.Options{Speed: 1, MaxPause: -1}, 5 * time.Minute},
		"sixty times":                           {minutes(t), replay.Options{Speed: 60}, 5 * time.Second},
		"half as fast":                          {minutes(t), replay.Options{Speed: 0.5, MaxPause: -1}, 10 * time.Minute},
		"ticks":                                 {trades(t), replay.Options{Speed: 2, MaxPause: -1}, 145*time.Second + 250*time.Millisecond},
		"a weekend in full":                     {nights, replay.Options{Speed: 60, MaxPause: -1}, (65*60 + 33) * time.Second},
		"a weekend in a moment":                 {nights, replay.Options{Speed: 60}, 7 * time.Second},
		"a weekend in less":                     {nights, replay.Options{Speed: 60, MaxPause: 2 * time.Second}, 4 * time.Second},
		"a weekend in the time of one interval": {nights, replay.Options{Speed: 1}, 3 * time.Minute},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, took := play(t, nil, c.opt, c.file); took != c.want {
				t.Errorf("took %s, want %s", took, c.want)
			}
		})
	}
}

// A slow receiver delays; the replay then goes on at its schedule.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, err := replay.New([]*csv.File{minutes(t)}, replay.Options{Speed: 60, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		out := make(chan feed.Message)
		go src.Run(t.Context(), feedtest.Nothing, out) //nolint:errcheck // its result is for the conformance suite
		began := time.Now()
		var got []string
		for m := range out {
			if len(m.Bars) > 0 {
				got = append(got, fmt.Sprint(time.Since(began)))
				if len(got) == 1 {
					time.Sleep(1500 * time.Millisecond)
				}
			}
			if m.State == feed.Finished {
				break
			}
		}
		if d := cmp.Diff([]string{"0s", "1.5s", "4s", "5s"}, got); d != "" {
			t.Errorf("bars came at (-want +got):\n%s", d)
		}
	})
}

func TestCalendar(t *testing.T) {
	src, err := replay.New([]*csv.File{minutes(t), trades(t)}, replay.Options{})
	if err != nil {
		t.Fatal(err)
	}
	info := src.Info()
	if got := market.Minute.Next(at("10:01:00"), info.Calendars["file:A"]); got != at("10:04:00") {
		t.Errorf("after 10:01 comes %s, want 10:04 as recorded", got)
	}
	if got := market.Minute.Next(at("10:01:00"), info.Calendars["file:B"]); got != at("10:02:00") {
		t.Errorf("after 10:01 of ticks comes %s, want 10:02", got)
	}
	if !info.Replay || info.Name != "replay" || info.Series[0].Interval != market.Minute {
		t.Errorf("Info is %+v", info)
	}
}

func TestSeveralFilesOfOneSeries(t *testing.T) {
	a := text(t, "A_1.csv", "time,close", "2024-01-02T10:00:00Z,1", "2024-01-02T10:01:00Z,2", "2024-01-02T10:05:00Z,5")
	b := text(t, "A_2.csv", "time,close", "2024-01-02T10:01:00Z,200", "2024-01-02T10:02:00Z,3", "2024-01-02T10:04:30Z,400", "2024-01-02T10:03:30Z,4")
	all, _ := play(t, nil, replay.Options{}, a, b)
	want := []string{
		"running: playing 5 rows of 1 instruments as fast as possible",
		"A_2.csv line 0A_2.csv line 0",
		"10:01:00 file:A 1", "10:02:00 file:A 2", "10:03:00 file:A 3", "10:04:30 file:A 4", "10:06:00 file:A 5",
		"10:06:00 finished: played 5 rows to the end; 2 rows were refused",
	}
	if d := cmp.Diff(want, show(all)); d != "" {
		t.Errorf("messages (-want +got):\n%s", d)
	}
}

func TestNewRefuses(t *testing.T) {
	other := text(t, "A_5min.csv", "time,close", "2024-01-02T10:00:00Z,1", "2024-01-02T10:05:00Z,2")
	cases := map[string]struct {
		files []*csv.File
		opt   replay.Options
		want  string
	}{
		"nothing":       {nil, replay.Options{}, "no file"},
		"two intervals": {[]*csv.File{minutes(t), other}, replay.Options{}, "A.csv gives file:A as bars of 1m and A_5min.csv as closes of 5m"},
		"no rows":       {[]*csv.File{{Name: "E.csv"}}, replay.Options{}, "E.csv has no row"},
		"bad speed":     {[]*csv.File{other}, replay.Options{Speed: -1}, "speed -1"},
		"no clock":      {[]*csv.File{other}, replay.Options{Speed: 1}, "needs a clock"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := replay.New(c.files, c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// The ticks of whole days, at full speed: nothing is lost, and the clock is that of
// the data.
func TestTicksOfDays(t *testing.T) {
	for _, f := range []*csv.File{own(t, "ticks/STOCK.csv.gz"), own(t, "ticks/COIN.csv")} {
		all, _ := play(t, nil, replay.Options{}, f)
		n, clock := 0, market.MinTime
		for _, m := range all {
			n += len(m.Ticks)
			for _, tick := range m.Ticks {
				if tick.Time != m.Clock || m.Clock <= clock {
					t.Fatalf("a tick of %s came at %s after %s", tick.Time, m.Clock, clock)
				}
			}
			clock = m.Clock
		}
		last := f.Ticks[len(f.Ticks)-1].Time
		if end := all[len(all)-1].Clock; n < 3000 || n != f.Rows || end != market.Minute.End(market.Minute.Floor(last)) {
			t.Errorf("%d ticks of %d, the clock at the end is %s", n, f.Rows, end)
		}
	}
}

// BenchmarkMax plays days of ticks, and of minutes, as fast as possible.
func BenchmarkMax(b *testing.B) {
	for _, name := range []string{"ticks/STOCK.csv.gz", "intraday/COIN_1m.csv.gz"} {
		b.Run(filepath.Base(name), func(b *testing.B) {
			b.ReportAllocs()
			src, err := replay.New([]*csv.File{own(b, name)}, replay.Options{})
			if err != nil {
				b.Fatal(err)
			}
			rows := 0
			for b.Loop() {
				out, ended := make(chan feed.Message, 64), make(chan error, 1)
				go func() { ended <- src.Run(b.Context(), feedtest.Nothing, out) }()
				for m := range out {
					rows += len(m.Ticks) + len(m.Bars)
					if m.State == feed.Finished {
						break
					}
				}
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

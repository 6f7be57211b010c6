package track_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

const minute = market.Time(60_000_000)

var t0, _ = market.ParseTime("2019-02-11T14:30:00Z")

// walk is a forecaster with a fixed spread, so that tests can say what must come
// out.
type walk struct {
	name  string
	min   int
	panic string
}

func (m walk) Name() string { return m.name }

func (m walk) Fit(_ context.Context, w forecast.Window) (forecast.Fitted, error) {
	if w.Len() < m.min {
		return nil, fmt.Errorf("%w: %d of %d", forecast.ErrTooShort, w.Len(), m.min)
	}
	return m, nil
}

func (m walk) Predict(w forecast.Window, h int) (p forecast.Prediction, _ error) {
	if m.panic != "" {
		panic(m.panic)
	}
	for i, q := range forecast.Probabilities {
		p.Quantiles[i] = (q - 0.5) * 0.01 * math.Sqrt(float64(h))
	}
	return p, nil
}

func config(mode ledger.Mode, models ...forecast.Forecaster) track.Config {
	if models == nil {
		models = []forecast.Forecaster{walk{name: "naive", min: 3}}
	}
	return track.Config{
		Series:   market.Series{Instrument: market.Instrument{Symbol: "AMZN", Venue: "test"}, Interval: market.Minute},
		Mode:     mode,
		Horizons: track.UpTo(2), Models: models, LateAfter: time.Second,
	}
}

func newTrack(t *testing.T, cfg track.Config) *track.Track {
	t.Helper()
	tr, err := track.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func bar(i int, close float64) market.Bar {
	s := t0 + market.Time(i)*minute
	return market.Bar{Start: s, End: s + minute, Open: close, High: close, Low: close, Close: close, Volume: 1}
}

// run steps tr through inputs, one every minute, each delay after its end.
func run(t *testing.T, tr *track.Track, delay time.Duration, in ...track.Input) (entries []*ledger.Entry, scores []score.Score) {
	t.Helper()
	for _, i := range in {
		r, err := tr.Advance(context.Background(), i, i.End.Add(delay))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Entries {
			e, err := ledger.Decode(s.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			entries = append(entries, e)
		}
		scores = append(scores, r.Scores...)
	}
	return entries, scores
}

func bars(from, to int) (in []track.Input) {
	for i := from; i < to; i++ {
		in = append(in, track.Input{Bar: bar(i, 100+float64(i))})
	}
	return in
}

// kinds writes a chain as letters: g genesis, i issue, o outcome, v void, G gap.
func kinds(entries []*ledger.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		switch {
		case e.Genesis != nil:
			b.WriteByte('g')
		case e.Issue != nil:
			b.WriteByte('i')
		case e.Outcome != nil:
			b.WriteByte('o')
		case e.Void != nil:
			b.WriteByte('v')
		case e.Gap != nil:
			b.WriteByte('G')
		}
	}
	return b.String()
}

func TestForecastsAreIssuedThenJudged(t *testing.T) {
	tr := newTrack(t, config(ledger.Live))
	entries, scores := run(t, tr, 100*time.Millisecond, bars(0, 6)...)
	// The model needs three bars, is fitted after the third and forecasts from the
	// fourth; the fifth bar is the first with an outcome.
	if got := kinds(entries); got != "giiiioioi" {
		t.Fatalf("chain %s", got)
	}
	is := entries[4].Issue
	if is.Cutoff != bar(3, 0).End || is.Last != 103 || len(is.Forecasts) != 2 || is.Forecasts[1].Target != bar(5, 0).Span() || is.Scale != 1 {
		t.Errorf("issue %+v", is)
	}
	if e := entries[4]; e.At != is.Cutoff.Add(100*time.Millisecond) || is.Forecasts[0].Late {
		t.Errorf("issued at %s, late %t", e.At, is.Forecasts[0].Late)
	}
	if a := entries[1].Issue.Abstentions; len(a) != 1 || a[0].Reason != "not fitted yet" {
		t.Errorf("abstentions %+v", a)
	}
	if len(scores) != 3 {
		t.Fatalf("%d scores", len(scores))
	}
	s := scores[2] // of the sixth bar: horizon 1 from the fifth comes last
	if s.Horizon != 1 || s.Error() != 1 || s.Predicted != 104 || s.Last != 104 || s.NaiveCRPS != s.CRPS || s.Target != bar(5, 0).Start {
		t.Errorf("score %+v", s)
	}
	if scores[1].Horizon != 2 || scores[1].Error() != 2 {
		t.Errorf("score of horizon 2 %+v", scores[1])
	}
}

func TestAbsentTargetsAreVoid(t *testing.T) {
	tr := newTrack(t, config(ledger.Live))
	run(t, tr, 0, bars(0, 5)...)
	entries, scores := run(t, tr, 0, track.Input{Bar: bar(6, 110)})
	if got := kinds(entries); got != "voi" {
		t.Fatalf("chain %s", got)
	}
	if v := entries[0].Void; v.Reason != "absent" || !slices.Equal(v.Targets, []market.Time{bar(5, 0).Start}) {
		t.Errorf("void %+v", v)
	}
	if len(scores) != 1 || scores[0].Horizon != 2 || scores[0].Last != 104 {
		t.Errorf("scores %+v", scores)
	}
}

func TestGapIsRecorded(t *testing.T) {
	tr := newTrack(t, config(ledger.Live))
	run(t, tr, 0, bars(0, 5)...)
	entries, scores := run(t, tr, 0, track.Input{Bar: bar(65, 110), AfterGap: true})
	if got := kinds(entries); got != "Gvi" {
		t.Fatalf("chain %s", got)
	}
	want := &ledger.GapBody{Span: market.Span{Start: bar(4, 0).End, End: bar(65, 0).Start}, Bars: 60, Missed: 120, Reason: "no data was received"}
	if diff := cmp.Diff(want, entries[0].Gap); diff != "" {
		t.Error(diff)
	}
	if entries[1].Void.Reason != "gap" || len(scores) != 0 {
		t.Errorf("void %+v, scores %v", entries[1].Void, scores)
	}
}

func TestRevisionSupersedes(t *testing.T) {
	tr := newTrack(t, config(ledger.Live))
	run(t, tr, 0, bars(0, 8)...)
	b := bar(6, 200)
	b.Revision = 1
	entries, scores := run(t, tr, 3*time.Minute, track.Input{Bar: b})
	if got := kinds(entries); got != "o" {
		t.Fatalf("chain %s", got)
	}
	if o := entries[0].Outcome; o.Revision != 1 || o.Close != 200 || o.Bar != b.Span() {
		t.Errorf("outcome %+v", o)
	}
	if len(scores) != 2 || scores[0].Actual != 200 || scores[0].Revision != 1 {
		t.Errorf("scores %+v", scores)
	}
	entries, _ = run(t, tr, 0, bars(8, 9)...)
	if got := entries[1].Issue.Scale; got == 1 {
		t.Error("the revised bar is not in the window")
	}
	old := bar(-400, 50)
	if entries, _ = run(t, tr, 0, track.Input{Bar: old}); len(entries) != 0 {
		t.Errorf("a bar older than everything gave %s", kinds(entries))
	}
}

func TestLateAndMissed(t *testing.T) {
	tr := newTrack(t, config(ledger.Live))
	run(t, tr, 0, bars(0, 4)...)
	entries, _ := run(t, tr, 2*time.Second, bars(4, 5)...)
	f := entries[1].Issue.Forecasts
	if len(f) != 2 || !f[0].Late || f[1].Late {
		t.Errorf("two seconds late: %+v", f)
	}
	entries, _ = run(t, tr, 61*time.Second, bars(5, 6)...)
	is := entries[1].Issue
	if len(is.Forecasts) != 1 || is.Forecasts[0].Horizon != 2 || len(is.Abstentions) != 1 || !strings.HasPrefix(is.Abstentions[0].Reason, "missed") {
		t.Errorf("a bar late: %+v", is)
	}
}

func TestClockBehindTheData(t *testing.T) {
	tr := newTrack(t, config(ledger.Live))
	entries, _ := run(t, tr, -time.Hour, bars(0, 6)...)
	for _, e := range entries {
		if e.Issue != nil && e.At < e.Issue.Cutoff {
			t.Errorf("issued at %s before the cutoff %s", e.At, e.Issue.Cutoff)
		}
	}
}

func TestBackfillForecastsNothing(t *testing.T) {
	tr := newTrack(t, config(ledger.Live))
	in := bars(0, 10)
	for i := range in {
		in[i].Backfill = true
	}
	if entries, _ := run(t, tr, 0, in...); len(entries) != 0 {
		t.Fatalf("chain %s", kinds(entries))
	}
	if entries, _ := run(t, tr, 0, bars(10, 11)...); kinds(entries) != "gi" || len(entries[1].Issue.Forecasts) != 2 {
		t.Errorf("chain %s", kinds(entries))
	}
}

func TestPanickingModelAbstains(t *testing.T) {
	tr := newTrack(t, config(ledger.Live, walk{name: "naive", min: 2}, walk{name: "bad", panic: "shape"}))
	entries, _ := run(t, tr, 0, bars(0, 5)...)
	is := entries[len(entries)-1].Issue
	if len(is.Forecasts) != 2 || len(is.Abstentions) != 2 || is.Abstentions[0].Model != "bad" || is.Abstentions[0].Reason != "the model panicked: shape" {
		t.Errorf("%+v", is.Abstentions)
	}
}

// A reason is cut between letters, and what is no text is made one: the ledger takes nothing else.
func TestReasonsAreTexts(t *testing.T) {
	for said, want := range map[string]string{
		strings.Repeat("€", 200): "the model panicked: " + strings.Repeat("€", 93) + "...",
		"not \xff text":          "the model panicked: not \ufffd text",
	} {
		tr := newTrack(t, config(ledger.Live, walk{name: "naive", min: 2}, walk{name: "bad", panic: said}))
		entries, _ := run(t, tr, 0, bars(0, 5)...)
		if got := entries[len(entries)-1].Issue.Abstentions[0].Reason; got != want {
			t.Errorf("the reason is %q, want %q", got, want)
		}
	}
}

func TestNonPositivePriceAbstains(t *testing.T) {
	tr := newTrack(t, config(ledger.Replay))
	run(t, tr, 0, bars(0, 5)...)
	entries, scores := run(t, tr, 0, track.Input{Bar: bar(5, -36.98)})
	is := entries[len(entries)-1].Issue
	if len(is.Forecasts) != 0 || len(is.Abstentions) != 2 {
		t.Errorf("%+v", is)
	}
	for _, s := range scores {
		if !math.IsNaN(s.CRPS) || s.Error() >= 0 {
			t.Errorf("score %+v", s)
		}
	}
}

func TestNaiveIsAlwaysInTheRace(t *testing.T) {
	if _, err := track.New(config(ledger.Live, walk{name: "ewma"})); err == nil {
		t.Error("a race without naive was accepted")
	}
	if _, err := track.New(config(ledger.Live, walk{name: "naive"}, walk{name: "naive"})); err == nil {
		t.Error("two models of one name were accepted")
	}
}

// memory is a model whose answers depend on every bar it ever saw, and on the bar at
// which its parameter was estimated.
type memory struct{}

func (memory) Name() string { return "memory" }

func (m memory) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, m, w)
}
func (memory) Follow(forecast.Setting) forecast.State { return &remembered{} }

type remembered struct {
	sum, parameter float64
	bars           int
}

func (r *remembered) Update(w forecast.Window) {
	if w.Last() == 113 && r.bars > 20 {
		panic("an unlucky number")
	}
	r.sum = r.sum*0.9 + w.Last() + float64(w.Target(2).Start%7)
	r.bars++
}

func (r *remembered) Refit(context.Context) error {
	if r.bars < 5 {
		return fmt.Errorf("%w: %d", forecast.ErrTooShort, r.bars)
	}
	r.parameter = r.sum
	return nil
}

func (r *remembered) Predict(_ forecast.Window, h int) (p forecast.Prediction, _ error) {
	p.Point = r.sum*1e-6 + r.parameter*1e-7
	for i, q := range forecast.Probabilities {
		p.Quantiles[i] = p.Point + q*0.01*float64(h)
	}
	return p, nil
}

func (r *remembered) Encode() ([]byte, error)   { return fmt.Append(nil, r.parameter), nil }
func (r *remembered) Adopt(from forecast.State) { r.parameter = from.(*remembered).parameter }
func (r *remembered) Persist(a *forecast.Archive) {
	a.Float(&r.sum, &r.parameter)
	a.Int(&r.bars)
}

// TestRestore stops a track at every bar and goes on with a fresh one, from the last
// of the snapshots that were taken every seven bars: the chain must not show it.
func TestRestore(t *testing.T) {
	in := bars(0, 60)
	for i := range 6 {
		in[i].Backfill = true
	}
	in[17].Close = 90
	in[50].Close = 113
	in = slices.Delete(in, 30, 31)
	in[40].AfterGap = true
	rev := bar(20, 140)
	rev.Revision = 1
	in = slices.Insert(in, 25, track.Input{Bar: rev})

	cfg := config(ledger.Live, walk{name: "naive", min: 3}, memory{})
	cfg.Window, cfg.RefitEvery = 12, 5
	ctx := context.Background()
	step := func(tr *track.Track, in track.Input) track.Result {
		r, err := tr.Advance(ctx, in, in.End.Add(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole := newTrack(t, cfg)
	for stop := range in {
		var chain []ledger.Sealed
		var seen []market.Bar
		var past track.Past
		a := newTrack(t, cfg)
		for n, i := range in[:stop] {
			chain = append(chain, step(a, i).Entries...)
			if k := slices.IndexFunc(seen, func(b market.Bar) bool { return b.Start == i.Start }); k >= 0 {
				seen[k] = i.Bar
			} else {
				seen = append(seen, i.Bar)
			}
			past.Since = append(past.Since, i)
			if n%7 == 0 {
				past = track.Past{Snapshot: a.Snapshot(), Bars: slices.Clone(seen)}
			}
		}
		b := newTrack(t, cfg)
		past.Head, past.Inputs = a.Head(), a.Inputs()
		past.Entries = chain[max(0, len(chain)-b.RestoreEntries()):]
		if err := b.Restore(ctx, past); err != nil {
			t.Fatal(err)
		}
		for _, i := range in[stop:] {
			ra, rb := step(a, i), step(b, i)
			if a.Head() != b.Head() || !slices.Equal(ra.Scores, rb.Scores) {
				t.Fatalf("stopped before bar %d, at %s: %s", stop, i.Start, cmp.Diff(ra, rb))
			}
		}
		if stop == 0 {
			whole = a
		}
		if a.Head() != whole.Head() || b.Head() != whole.Head() {
			t.Fatalf("stopped before bar %d: heads %v %v, want %v", stop, a.Head(), b.Head(), whole.Head())
		}
	}
}

func TestRestoreRefusesAnotherSnapshot(t *testing.T) {
	cfg := config(ledger.Live, walk{name: "naive", min: 3}, memory{})
	a := newTrack(t, cfg)
	run(t, a, 0, bars(0, 20)...)
	for name, change := range map[string]func(*track.Config, *track.Past){
		"horizons": func(c *track.Config, _ *track.Past) { c.Horizons = track.UpTo(3) },
		"short":    func(_ *track.Config, p *track.Past) { p.Snapshot = p.Snapshot[:len(p.Snapshot)-3] },
		"long":     func(_ *track.Config, p *track.Past) { p.Snapshot = append(p.Snapshot, 0) },
	} {
		c, p := cfg, track.Past{Snapshot: a.Snapshot()}
		change(&c, &p)
		if err := newTrack(t, c).Restore(context.Background(), p); !errors.Is(err, forecast.ErrArchive) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A model that joins, or stands in for one that has gone, learns from the bars that are kept
// and forecasts from the next one on; the others go on as if nothing had been.
func TestRestoreWithOtherModels(t *testing.T) {
	ctx := context.Background()
	cfg := config(ledger.Live, walk{name: "naive", min: 3}, memory{})
	a := newTrack(t, cfg)
	in := bars(0, 40)
	var seen []market.Bar
	for _, i := range in[:30] {
		if _, err := a.Advance(ctx, i, i.End.Add(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, i.Bar)
	}
	past := track.Past{Snapshot: a.Snapshot(), Bars: seen, Head: a.Head(), Inputs: a.Inputs()}
	more := cfg
	more.Models = append(slices.Clone(cfg.Models), walk{name: "window", min: 3}, another{})
	fewer := cfg
	fewer.Models = cfg.Models[:1]
	for name, c := range map[string]track.Config{"more": more, "fewer": fewer} {
		b := newTrack(t, c)
		if err := b.Restore(ctx, past); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole := newTrack(t, cfg)
		if err := whole.Restore(ctx, past); err != nil {
			t.Fatal(err)
		}
		next := in[30]
		ra, err := whole.Advance(ctx, next, next.End.Add(time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		rb, err := b.Advance(ctx, next, next.End.Add(time.Millisecond))
		if err != nil || len(rb.Abstentions) > 0 {
			t.Fatalf("%s: %v, %+v", name, err, rb.Abstentions)
		}
		had := map[string]bool{}
		for _, f := range rb.Forecasts {
			had[f.Model] = true
			if k := slices.IndexFunc(ra.Forecasts, func(g forecast.Forecast) bool { return g.Model == f.Model && g.Horizon == f.Horizon }); k >= 0 && !cmp.Equal(ra.Forecasts[k], f) {
				t.Errorf("%s: %s forecasts otherwise now: %s", name, f.Model, cmp.Diff(ra.Forecasts[k], f))
			}
		}
		if len(had) != len(c.Models) {
			t.Errorf("%s: %v forecast, want %d", name, had, len(c.Models))
		}
	}
}

// another is memory under another name.
type another struct{ memory }

func (another) Name() string { return "another" }

// Parameters are estimated every RefitEvery bars: the version says when. History is
// learnt from without being fitted.
func TestRefitsOnSchedule(t *testing.T) {
	cfg := config(ledger.Replay, walk{name: "naive", min: 3}, memory{})
	cfg.RefitEvery = 10
	tr := newTrack(t, cfg)
	in := bars(0, 60)
	for i := range 20 {
		in[i].Backfill = true
	}
	entries, _ := run(t, tr, 0, in...)
	var changes []int
	version := ""
	for _, e := range entries {
		if e.Issue == nil {
			continue
		}
		for _, f := range e.Issue.Forecasts {
			if f.Model == "memory" && f.Horizon == 1 && f.Version != version {
				version = f.Version
				if name, digest, _ := strings.Cut(version, "@"); name != "memory" || len(digest) != 16 {
					t.Errorf("version %q is not named after the model and 8 bytes of a digest", version)
				}
				changes = append(changes, int((e.Issue.Cutoff-t0)/minute)-1)
			}
		}
	}
	if want := []int{20, 30, 40, 50}; !slices.Equal(changes, want) {
		t.Errorf("the version changed at bars %v, want %v", changes, want)
	}
}

func TestRestoreRefusesAnotherMode(t *testing.T) {
	a := newTrack(t, config(ledger.Live))
	r, err := a.Advance(context.Background(), bars(0, 1)[0], t0+minute)
	if err != nil {
		t.Fatal(err)
	}
	b := newTrack(t, config(ledger.Replay))
	if err := b.Restore(context.Background(), track.Past{Head: a.Head(), Inputs: a.Inputs(), Entries: r.Entries}); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Errorf("got %v", err)
	}
	r.Entries[0].Bytes = r.Entries[0].Bytes[1:]
	if err := b.Restore(context.Background(), track.Past{Head: a.Head(), Inputs: a.Inputs(), Entries: r.Entries}); !errors.Is(err, ledger.ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkAdvance(b *testing.B) {
	cfg := config(ledger.Replay, walk{name: "naive", min: 3}, walk{name: "x", min: 3}, walk{name: "y", min: 3})
	cfg.Horizons = track.UpTo(5)
	tr, err := track.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := tr.Advance(context.Background(), track.Input{Bar: bar(i, 100+float64(i%7))}, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// Law 5: where naive abstains, so does every model.
func TestNoForecastWithoutNaive(t *testing.T) {
	tr := newTrack(t, config(ledger.Live, walk{name: "quick", min: 2}, walk{name: "naive", min: 5}))
	entries, _ := run(t, tr, 0, bars(0, 6)...)
	for _, e := range entries {
		if e.Issue != nil && len(e.Issue.Forecasts) > 0 && e.Issue.Forecasts[0].Model != "naive" {
			t.Errorf("at %s %s forecast alone", e.At, e.Issue.Forecasts[0].Model)
		}
	}
	if is := entries[len(entries)-1].Issue; len(is.Forecasts) != 4 {
		t.Errorf("with naive %d forecasts, want 4", len(is.Forecasts))
	}
}

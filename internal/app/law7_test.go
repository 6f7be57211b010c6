package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// TestLaw7NothingIsLostInSilence: a live venue sends bad ticks, late ones and ticks of the future,
// goes away for minutes and comes back, while one model panics, another cannot be fitted, and the
// machine falls behind. Each tick and each forecast that was due is accounted for: counted in the
// metrics, kept with its reason, and there for whoever asks the API.
func TestLaw7NothingIsLostInSilence(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	m := &mishaps{stage: play(t, script{series: coin, data: data, begin: noon, horizons: 2, models: racing, more: []catalog.Model{
		{New: func() forecast.Forecaster { return reckless{} }, Description: "It panics."},
		{New: func() forecast.Forecaster { return hopeless{} }, Description: "It never has enough."},
	}})}
	m.history(coinBars(-40, 0))
	m.happen()
	m.ticksAreAccountedFor(t)
	m.gapIsShown(t)
	m.metrics = m.scrape(t)
	m.stop()

	// What was refused is still there after the end, and the ledger tells of the rest.
	st, err := app.Place{Data: data}.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if n, err := st.QuarantineCount(t.Context()); err != nil || n != len(m.refused) {
		t.Errorf("%d inputs are in quarantine, %v, want %d", n, err, len(m.refused))
	}
	m.forecastsAreAccountedFor(t, data)
}

// racing are the models of the race.
var racing = []string{"naive", "ewma", "reckless", "hopeless"}

// reckless panics when it is asked.
type reckless struct{}

func (reckless) Name() string { return "reckless" }
func (reckless) Fit(context.Context, forecast.Window) (forecast.Fitted, error) {
	return reckless{}, nil
}
func (reckless) Predict(forecast.Window, int) (forecast.Prediction, error) { panic("a wrong shape") }

// hopeless cannot be fitted.
type hopeless struct{}

func (hopeless) Name() string { return "hopeless" }
func (hopeless) Fit(context.Context, forecast.Window) (forecast.Fitted, error) {
	return nil, fmt.Errorf("%w: it always is", forecast.ErrTooShort)
}

// mishaps is a stage on which things go wrong, and a list of them.
type mishaps struct {
	*stage
	sent    int               // ticks
	refused map[string]string // inputs, with a part of the reason
	metrics map[string]float64
}

// minute sends the ticks of a minute from noon on, the first of which closes the bar before it. The
// program learns of them after a delay.
func (m *mishaps) minute(k int, delay time.Duration) {
	m.Helper()
	start := noon + market.Time(k)*60e6
	for i, second := range []float64{0.3, 25, 50} {
		at := start + market.Time(second*1e6)
		m.at(at.Add(delay))
		m.tick(at, 100+float64(k*k*7&127)/64+float64(i)/8)
		if i == 0 && k > 0 {
			m.until("step")
		}
	}
}

func (m *mishaps) minutes(from, to int) {
	m.Helper()
	for k := from; k < to; k++ {
		m.minute(k, inTime)
	}
}

const inTime = 100 * time.Millisecond

func (m *mishaps) tick(at market.Time, price float64) {
	m.Helper()
	m.sent++
	m.tell(feed.Message{Ticks: []market.Tick{{Time: at, Price: price, Size: 1}}})
}

// refuse sends a tick that must go to quarantine.
func (m *mishaps) refuse(at market.Time, price float64, why string) {
	m.Helper()
	m.tick(at, price)
	m.refusal(fmt.Sprintf("%s,%v,1", at, price), why)
}

func (m *mishaps) refusal(raw, why string) {
	m.Helper()
	m.until("quarantine")
	if m.refused == nil {
		m.refused = map[string]string{}
	}
	m.refused[raw] = why
}

func (m *mishaps) happen() {
	m.Helper()
	m.minutes(0, 20)
	now := noon + 20*60e6 - 5e6

	// Ticks that are none.
	m.refuse(now, math.NaN(), "NaN")
	m.refuse(now, -1, "-1")
	m.refuse(now.Add(time.Hour), 100, "ahead of this machine's clock")
	m.refuse(noon+2*60e6, 100, "too late")
	m.tell(feed.Message{Rejects: []feed.Reject{{Raw: "half a frame", Reason: "no JSON"}}})
	m.refusal("half a frame", "no JSON")

	// A late tick revises a bar that is final.
	m.tick(noon+15*60e6+1e6, 150)
	m.until("step")

	// Nobody trades in minute 20.
	m.minutes(21, 24)

	// The venue goes away, and comes back seven minutes later.
	m.tell(feed.Message{State: feed.Connecting, Detail: "the connection was lost"})
	m.at(noon + 31*60e6)
	m.tell(feed.Message{State: feed.Running})
	m.minutes(31, 35)

	// The machine is late by ten seconds, then by more than two minutes.
	m.minute(35, 10*time.Second)
	m.minute(36, 130*time.Second)
	m.minutes(37, 45)
}

// ticksAreAccountedFor compares what was sent with what is in bars and in quarantine.
func (m *mishaps) ticksAreAccountedFor(t *testing.T) {
	var bars struct {
		Items []struct {
			Start            market.Time
			Trades, Revision int
		}
	}
	m.ask("/v1/series/"+url.PathEscape(string(coin.ID()))+"/bars?limit=1000&from="+noon.String(), &bars)
	traded, revised := 0, 0
	for _, b := range bars.Items {
		traded += b.Trades
		revised += b.Revision
	}
	var kept struct {
		Items []struct{ Raw, Reason, Source string }
		Total int
	}
	m.ask("/v1/quarantine", &kept)
	ticks := 0
	for _, r := range kept.Items {
		why, sent := m.refused[r.Raw]
		if !sent || !strings.Contains(r.Reason, why) || r.Source != "venue" {
			t.Errorf("in quarantine is %+v, want the reason %q", r, why)
		}
		if strings.Contains(r.Raw, ",") {
			ticks++
		}
	}
	if kept.Total != len(m.refused) || len(kept.Items) != len(m.refused) {
		t.Errorf("%d inputs are in quarantine, want %d: %+v", kept.Total, len(m.refused), kept.Items)
	}
	const open = 3 // of the last minute
	if traded+ticks+open != m.sent || revised != 1 {
		t.Errorf("of %d ticks %d are in bars, %d in quarantine and %d in the open bar; %d bars are revised", m.sent, traded, ticks, open, revised)
	}
	var feeds struct{ Items []feed.Health }
	m.ask("/v1/feeds", &feeds)
	if h := feeds.Items[0]; h.Ticks != uint64(m.sent) || h.Rejected != uint64(len(m.refused)) || h.Late != 2 || h.Revised != 1 || h.Gaps != 1 {
		t.Errorf("the health of the feed is %+v", h)
	}
}

// gapIsShown looks for the minutes during which the venue was away.
func (m *mishaps) gapIsShown(t *testing.T) {
	var gaps struct {
		Items []struct {
			From, To     market.Time
			Bars, Missed int
			Reason       string
		}
	}
	m.ask("/v1/series/"+url.PathEscape(string(coin.ID()))+"/gaps", &gaps)
	if len(gaps.Items) != 1 {
		t.Fatalf("gaps %+v, want one", gaps.Items)
	}
	if g := gaps.Items[0]; g.From != noon+24*60e6 || g.To != noon+31*60e6 || g.Bars != 7 || g.Missed != 7*2*4 || g.Reason == "" {
		t.Errorf("the gap is %+v", g)
	}
}

// scrape reads the metrics.
func (m *mishaps) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	r, err := http.Get(m.app.URL() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, line := range regexp.MustCompile(`(?m)^(foretick_[a-z0-9_]+\{.*\}) (\S+)$`).FindAllStringSubmatch(string(b), -1) {
		v, err := strconv.ParseFloat(line[2], 64)
		if err != nil {
			t.Fatal(errors.Join(err, errors.New(line[0])))
		}
		out[line[1]] = v
	}
	return out
}

// forecastsAreAccountedFor goes through the ledger: what was due at each bar is a forecast, an
// abstention or missed in a gap; what was forecast is judged, void or still open; and the metrics
// count the same.
func (m *mishaps) forecastsAreAccountedFor(t *testing.T, data string) {
	r := storedAt(t, app.Place{Data: data})[coin.ID()]
	count := map[string]map[string]int{} // model, status
	for _, name := range racing {
		count[name] = map[string]int{}
	}
	open := map[market.Time][]string{}
	reasons := map[string]string{}
	cutoffs := 0
	for _, e := range decoded(t, r.chain) {
		switch {
		case e.Issue != nil:
			cutoffs++
			due := map[string]int{}
			for _, f := range e.Issue.Forecasts {
				due[f.Model]++
				count[f.Model]["issued"]++
				if f.Late {
					count[f.Model]["late"]++
				}
				open[f.Target.Start] = append(open[f.Target.Start], f.Model)
			}
			for _, a := range e.Issue.Abstentions {
				due[a.Model]++
				if a.Horizon == 0 {
					due[a.Model]++ // both horizons
				}
				count[a.Model]["abstained"]++
				reasons[a.Model+" "+strings.SplitN(a.Reason, ":", 2)[0]] = a.Reason
			}
			for _, name := range racing {
				if due[name] != 2 {
					t.Errorf("with the cutoff %s %s has %d forecasts and abstentions, two were due", e.Issue.Cutoff, name, due[name])
				}
			}
		case e.Outcome != nil:
			delete(open, e.Outcome.Bar.Start)
		case e.Void != nil:
			for _, target := range e.Void.Targets {
				for _, name := range open[target] {
					count[name]["void"]++
				}
				delete(open, target)
			}
			reasons["void "+e.Void.Reason] = e.Void.Reason
		case e.Gap != nil:
			for _, name := range racing {
				count[name]["missed"] += e.Gap.Missed / len(racing)
			}
		}
	}
	last := noon + 44*60e6 // the bar that was open at the end
	for target, names := range open {
		if target < last {
			t.Errorf("the forecasts of %v for %s were neither judged nor void", names, target)
		}
	}
	if cutoffs != 44-1-7 { // minutes 0 to 43, without the one in which nobody traded and the gap
		t.Errorf("%d cutoffs", cutoffs)
	}
	for _, want := range []string{"reckless the model panicked", "hopeless forecast", "naive missed", "void absent", "void gap"} {
		found := false
		for name := range reasons {
			found = found || strings.HasPrefix(name, want)
		}
		if !found {
			t.Errorf("no record says %q; there are %v", want, reasons)
		}
	}
	for _, name := range racing {
		for _, status := range []string{"issued", "late", "missed", "abstained", "void"} {
			metric := fmt.Sprintf("foretick_forecasts_total{model=%q,series=%q,status=%q}", name, coin.ID(), status)
			if got := m.metrics[metric]; got != float64(count[name][status]) {
				t.Errorf("%s is %v, by the ledger %d", metric, got, count[name][status])
			}
		}
	}
	for metric, want := range map[string]int{"rejected": len(m.refused), "late_ticks": 2, "gaps": 1, "ticks": m.sent} {
		name := "foretick_feed_" + metric + `_total{source="venue"}`
		if got, ok := m.metrics[name]; !ok || got != float64(want) {
			t.Errorf("%s is %v, want %d", name, got, want)
		}
	}
	if c := count["naive"]; c["late"] == 0 || c["missed"] == 0 || c["void"] == 0 || c["abstained"] == 0 {
		t.Errorf("of naive %v are counted: not everything was tested", c)
	}
}

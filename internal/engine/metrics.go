package engine

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

// metrics are the engine's numbers, by the names of docs/guides/metrics.md.
type metrics struct {
	forecasts   *prometheus.CounterVec
	latency     prometheus.Histogram
	stepSeconds prometheus.Histogram
	scores      *prometheus.CounterVec
	hits        *prometheus.CounterVec
	scaled      *prometheus.CounterVec
	crps        *prometheus.CounterVec
	height      *prometheus.GaugeVec
	splits      *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		forecasts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_forecasts_total",
			Help: "Forecasts by what became of them: issued, late, missed (in a gap), abstained, void."}, []string{"series", "model", "status"}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "foretick_forecast_latency_seconds",
			Help:    "Seconds from the end of a bar to its forecasts being committed, live series only.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60}}),
		stepSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "foretick_step_seconds",
			Help: "Seconds that one batch of bars took to be settled and forecast.", Buckets: prometheus.ExponentialBuckets(1e-5, 4, 10)}),
		scores: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_scores_total",
			Help: "Forecasts judged."}, []string{"series", "model"}),
		hits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_interval_hits_total",
			Help: "Outcomes inside the 90 % interval; divided by foretick_scores_total this is the coverage."}, []string{"series", "model"}),
		scaled: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_forecast_scaled_error_total",
			Help: "Sum of absolute errors in units of the mean absolute one-bar change (MASE times scores)."}, []string{"series", "model"}),
		crps: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_forecast_crps_total",
			Help: "Sum of CRPS in units of 100 x log return."}, []string{"series", "model"}),
		height: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_ledger_height",
			Help: "Number of the newest ledger entry."}, []string{"series"}),
		splits: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_splits_total",
			Help: "Bars before which a share was split: announced, or suspected from the price alone, which is a data warning."}, []string{"series", "kind"}),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.forecasts, m.latency, m.stepSeconds, m.scores, m.hits, m.scaled, m.crps, m.height, m.splits} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// seriesMetrics are the metrics of one series, looked up once.
type seriesMetrics struct {
	id     string
	all    *metrics
	models map[string]*modelMetrics
	racing []*modelMetrics
	height prometheus.Gauge
	// Splits that were announced, and that were not.
	announced, suspected prometheus.Counter
}

type modelMetrics struct {
	issued, late, missed, abstained, void prometheus.Counter
	scores, hits, scaled, crps            prometheus.Counter
}

func (m *metrics) series(id market.SeriesID, models []forecast.Forecaster) *seriesMetrics {
	s := &seriesMetrics{id: string(id), all: m, models: map[string]*modelMetrics{}, height: m.height.WithLabelValues(string(id)),
		announced: m.splits.WithLabelValues(string(id), "announced"), suspected: m.splits.WithLabelValues(string(id), "suspected")}
	for _, model := range models {
		s.racing = append(s.racing, s.of(model.Name()))
	}
	return s
}

// of are the numbers of a model. One that has left the race may still be judged.
func (s *seriesMetrics) of(model string) *modelMetrics {
	if m := s.models[model]; m != nil {
		return m
	}
	f := func(status string) prometheus.Counter { return s.all.forecasts.WithLabelValues(s.id, model, status) }
	m := &modelMetrics{
		issued: f("issued"), late: f("late"), missed: f("missed"), abstained: f("abstained"), void: f("void"),
		scores: s.all.scores.WithLabelValues(s.id, model), hits: s.all.hits.WithLabelValues(s.id, model),
		scaled: s.all.scaled.WithLabelValues(s.id, model), crps: s.all.crps.WithLabelValues(s.id, model),
	}
	s.models[model] = m
	return m
}

// count adds what one step produced. Scores of revised bars are left out: their
// targets were counted when they were first judged.
func (s *seriesMetrics) count(r *track.Result) {
	for i := range r.Forecasts {
		m := s.of(r.Forecasts[i].Model)
		m.issued.Inc()
		if r.Forecasts[i].Late {
			m.late.Inc()
		}
	}
	for i := range r.Abstentions {
		s.of(r.Abstentions[i].Model).abstained.Inc()
	}
	for i := range r.Voided {
		s.of(r.Voided[i].Model).void.Inc()
	}
	if r.Missed > 0 {
		for _, m := range s.racing {
			m.missed.Add(float64(r.Missed))
		}
	}
	switch {
	case r.Break == nil:
	case r.Break.Announced:
		s.announced.Inc()
	default:
		s.suspected.Inc()
	}
	for i := range r.Scores {
		s.of(r.Scores[i].Model).score(&r.Scores[i])
	}
}

func (m *modelMetrics) score(s *score.Score) {
	if s.Revision > 0 {
		return
	}
	m.scores.Inc()
	if s.Hit() {
		m.hits.Inc()
	}
	if s.Scale > 0 {
		m.scaled.Add(max(s.Error(), -s.Error()) / s.Scale)
	}
	if s.CRPS >= 0 {
		m.crps.Add(s.CRPS)
	}
}

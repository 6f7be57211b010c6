package ingest

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the numbers of all pipelines. Labels are bounded by the configuration:
// sources, their symbols and intervals.
type metrics struct {
	bars       *prometheus.CounterVec
	ticks      *prometheus.CounterVec
	late       *prometheus.CounterVec
	rejected   *prometheus.CounterVec
	gaps       *prometheus.CounterVec
	gapSeconds *prometheus.CounterVec
	reconnects *prometheus.CounterVec
	lastFrame  *prometheus.GaugeVec
	retries    *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"source"}, labels...))
	}
	m := &metrics{
		bars:       counter("foretick_bars_total", "Bars committed: closed (first revision) or revised.", "symbol", "interval", "state"),
		ticks:      counter("foretick_feed_ticks_total", "Ticks received."),
		late:       counter("foretick_feed_late_ticks_total", "Ticks that came after their bar was final."),
		rejected:   counter("foretick_feed_rejected_total", "Inputs that could not be used and went to quarantine."),
		gaps:       counter("foretick_feed_gaps_total", "Stretches of lost data."),
		gapSeconds: counter("foretick_feed_gap_seconds_total", "Length of the stretches of lost data."),
		reconnects: counter("foretick_feed_reconnects_total", "Times that a source was started again after it failed."),
		lastFrame: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_feed_last_frame_timestamp_seconds",
			Help: "When the last message came, in Unix time by the wall clock."}, []string{"source"}),
		retries: counter("foretick_ingest_store_retries_total", "Times that storing was tried again because the store failed."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.bars, m.ticks, m.late, m.rejected, m.gaps, m.gapSeconds, m.reconnects, m.lastFrame, m.retries} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// sourceMetrics are the metrics of one source, looked up once.
type sourceMetrics struct {
	ticks, late, rejected, gaps, gapSeconds, reconnects, retries prometheus.Counter
	lastFrame                                                    prometheus.Gauge
}

func (m *metrics) source(name string) sourceMetrics {
	return sourceMetrics{
		ticks: m.ticks.WithLabelValues(name), late: m.late.WithLabelValues(name), rejected: m.rejected.WithLabelValues(name),
		gaps: m.gaps.WithLabelValues(name), gapSeconds: m.gapSeconds.WithLabelValues(name),
		reconnects: m.reconnects.WithLabelValues(name), retries: m.retries.WithLabelValues(name),
		lastFrame: m.lastFrame.WithLabelValues(name),
	}
}

package ingest

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/feed"
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
	healed     *prometheus.CounterVec
	lost       *prometheus.CounterVec
	actions    *prometheus.CounterVec
	offset     *prometheus.GaugeVec
	headroom   *prometheus.GaugeVec
	up         *prometheus.GaugeVec
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
		reconnects: counter("foretick_feed_reconnects_total", "Connections of a source that were lost, given up, or made anew after a failure."),
		lastFrame: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_feed_last_frame_timestamp_seconds",
			Help: "When the last message came, in Unix time by the wall clock."}, []string{"source"}),
		healed:   counter("foretick_feed_gaps_healed_total", "Stretches of missed trades that were repaired over REST."),
		lost:     counter("foretick_feed_gaps_lost_total", "Stretches of data that the venue no longer has."),
		actions:  counter("foretick_feed_actions_total", "Splits and dividends that the source told of and that were new."),
		offset:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_feed_clock_offset_seconds", Help: "How far the venue's clock is ahead of this machine's, less the time that messages take."}, []string{"source"}),
		headroom: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_feed_rate_headroom_ratio", Help: "Share of the REST host's rate limit that is left."}, []string{"source"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "foretick_feed_up",
			Help: "0 while the source is stalled or has failed, else 1: a market that is closed is no stall."}, []string{"source"}),
		retries: counter("foretick_ingest_store_retries_total", "Times that storing was tried again because the store failed."),
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.bars, m.ticks, m.late, m.rejected, m.gaps, m.gapSeconds, m.reconnects, m.lastFrame, m.retries, m.healed, m.lost, m.actions, m.offset, m.headroom, m.up} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// sourceMetrics are the metrics of one source, looked up once.
type sourceMetrics struct {
	ticks, late, rejected, gaps, gapSeconds, reconnects, retries, healed, lost, actions prometheus.Counter
	lastFrame, offset, headroom, up                                                     prometheus.Gauge
}

// connected counts what is new about the connection since was, which may be nil.
func (m *sourceMetrics) connected(was, now *feed.Link) {
	if was == nil {
		was = &feed.Link{}
	}
	up := func(c prometheus.Counter, was, now uint64) {
		if now > was { // a source that was started again counts from 0
			c.Add(float64(now - was))
		}
	}
	up(m.reconnects, was.Reconnects, now.Reconnects)
	up(m.healed, was.GapsHealed, now.GapsHealed)
	m.offset.Set(now.Offset)
	m.headroom.Set(now.Headroom)
}

func (m *metrics) source(name string) sourceMetrics {
	return sourceMetrics{
		ticks: m.ticks.WithLabelValues(name), late: m.late.WithLabelValues(name), rejected: m.rejected.WithLabelValues(name),
		gaps: m.gaps.WithLabelValues(name), gapSeconds: m.gapSeconds.WithLabelValues(name),
		reconnects: m.reconnects.WithLabelValues(name), retries: m.retries.WithLabelValues(name),
		lastFrame: m.lastFrame.WithLabelValues(name), healed: m.healed.WithLabelValues(name), lost: m.lost.WithLabelValues(name), actions: m.actions.WithLabelValues(name),
		offset: m.offset.WithLabelValues(name), headroom: m.headroom.WithLabelValues(name), up: m.up.WithLabelValues(name),
	}
}

package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.HistogramVec
	streams  prometheus.Gauge
	cut      prometheus.Counter
	sent     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, version string) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "foretick_http_request_duration_seconds",
			Help: "Seconds to answer a request, by route; streams are not counted.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5}}, []string{"route", "method", "code"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "foretick_stream_clients", Help: "Event streams that are open."}),
		cut:     prometheus.NewCounter(prometheus.CounterOpts{Name: "foretick_stream_cut_total", Help: "Event streams that were cut because their client was too slow."}),
		sent:    prometheus.NewCounter(prometheus.CounterOpts{Name: "foretick_stream_events_total", Help: "Events handed to streams, counted once a stream."}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "foretick_build_info", Help: "Always 1; the label names the version.", ConstLabels: prometheus.Labels{"version": version}})
	info.Set(1)
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.streams, m.cut, m.sent, info} {
		errs = append(errs, reg.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	return m, nil
}

// request counts an answer. Labels are bounded: the route's pattern, not the path.
func (m *metrics) request(pattern, method string, code int, took time.Duration) {
	_, route, _ := strings.Cut(pattern, " ")
	if route == streamPath {
		return
	}
	if pattern == "" {
		route, method = "none", "any"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(code)).Observe(took.Seconds())
}

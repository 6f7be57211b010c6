package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/tracing"
)

// flushLimit is how long stopping may wait for a collector, after everything that
// matters has been stored.
const flushLimit = 2 * time.Second

// Telemetry says where traces and metrics are sent.
type Telemetry struct {
	OTLP      string  `name:"otlp" default:"" placeholder:"URL" help:"OpenTelemetry collector to send traces and metrics to (OTLP over HTTP), such as http://localhost:4318. Nothing is sent when it is empty. OTEL_EXPORTER_OTLP_ENDPOINT is honoured where it is not given."`
	OTLPRatio float64 `name:"otlp-ratio" default:"0.05" help:"Share of traces that are kept, 0 to 1. Metrics are sent in any case."`
}

// finish applies OpenTelemetry's own variables and reports what is wrong.
func (t *Telemetry) finish(getenv func(string) string) error {
	if t.OTLP == "" {
		t.OTLP = getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		t.OTLP = ""
	}
	if !(t.OTLPRatio >= 0 && t.OTLPRatio <= 1) {
		return fmt.Errorf("--otlp-ratio %v: choose 0 to 1", t.OTLPRatio)
	}
	if t.OTLP == "" {
		return nil
	}
	if err := tracing.CheckURL(t.OTLP); err != nil {
		return fmt.Errorf("--otlp (or OTEL_EXPORTER_OTLP_ENDPOINT): %w", err)
	}
	return nil
}

// open starts what sends; it returns nil when nothing is to be sent.
func (t *Telemetry) open(ctx context.Context, metrics *prometheus.Registry, log *slog.Logger) (*tracing.Exporter, error) {
	if t.OTLP == "" {
		return nil, nil
	}
	e, err := tracing.Open(ctx, tracing.Config{
		URL: t.OTLP, Ratio: t.OTLPRatio, Version: Version(),
		Gatherer: metrics, Registerer: metrics, Log: log, Now: time.Now, Getenv: os.Getenv,
	})
	if err != nil {
		return nil, setting{err}
	}
	log.Info("traces and metrics are sent", "otlp", t.OTLP, "ratio", t.OTLPRatio)
	return e, nil
}

// flush sends what waits, as far as that is done within flushLimit and before limit is.
func flush(limit context.Context, e *tracing.Exporter) {
	ctx, cancel := context.WithTimeout(limit, flushLimit)
	defer cancel()
	e.Close(ctx)
}

// drop ends an exporter without waiting for anything; it does nothing after flush.
func drop(e *tracing.Exporter) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e.Close(ctx)
}

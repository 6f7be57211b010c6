package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// spanQueue is the number of spans that may wait to be sent: some seconds of a
	// thousand one-second series, all sampled. More are dropped.
	spanQueue = 4096
	// metricsEvery is how often the metrics are sent, unless
	// OTEL_METRIC_EXPORT_INTERVAL says otherwise.
	metricsEvery = 30 * time.Second
	// sendLimit bounds one attempt to send with all its repetitions.
	sendLimit = 20 * time.Second
)

// Config says where to send what.
type Config struct {
	// URL is the collector's address, such as http://localhost:4318; /v1/traces and
	// /v1/metrics are added to it. What OpenTelemetry's own variables say of headers,
	// certificates, time limits and the resource is honoured as by its SDK.
	URL string
	// Ratio is the share of new traces that are kept, 0 to 1.
	Ratio float64
	// Version of the program, for the resource.
	Version string
	// Gatherer and Registerer are the registry whose numbers are sent, and that gets the
	// exporter's own.
	Gatherer   prometheus.Gatherer
	Registerer prometheus.Registerer
	Log        *slog.Logger
	Now        func() time.Time
	// Getenv reads the environment. OTEL_TRACES_SAMPLER goes before Ratio,
	// OTEL_METRIC_EXPORT_INTERVAL before the 30 seconds between two sendings of metrics.
	Getenv func(string) string
}

// Exporter sends in the background. Create it with Open and end it with Close.
type Exporter struct {
	tracer  *Tracer
	traces  *sdktrace.TracerProvider
	queue   sdktrace.SpanProcessor
	metrics *sdkmetric.MeterProvider
	outcome *outcome
	stop    context.CancelFunc
}

// CheckURL reports what is wrong with the address of a collector.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("it is no address; write one such as http://localhost:4318") // err would quote it
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("write an address such as http://localhost:4318 (OTLP over HTTP)")
	case u.User != nil:
		return errors.New("it must not hold a password; put an Authorization header into OTEL_EXPORTER_OTLP_HEADERS")
	case u.RawQuery != "", u.Fragment != "":
		return errors.New("it must end with the path; /v1/traces and /v1/metrics are added to it")
	}
	return nil
}

// Open starts sending. Nothing is connected yet, and a collector that does not answer
// is no error: Open fails only where the settings are wrong.
func Open(ctx context.Context, cfg Config) (*Exporter, error) {
	if err := CheckURL(cfg.URL); err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	base := strings.TrimRight(cfg.URL, "/")
	res, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "foretick"), attribute.String("service.version", cfg.Version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME have the last word
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("tracing: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	o, err := newOutcome(cfg)
	if err != nil {
		return nil, err
	}
	retry := otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: sendLimit}
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(base+"/v1/traces"), otlptracehttp.WithRetry(retry))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	numbers, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(base+"/v1/metrics"), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig(retry)))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	alive, stop := context.WithCancel(context.WithoutCancel(ctx))
	queue := sdktrace.NewBatchSpanProcessor(spanExporter{spans, o, alive},
		sdktrace.WithMaxQueueSize(spanQueue), sdktrace.WithBatchTimeout(time.Second), sdktrace.WithExportTimeout(sendLimit))
	opts := []sdktrace.TracerProviderOption{sdktrace.WithResource(res), sdktrace.WithSpanProcessor(counted{queue, o})}
	if cfg.Getenv("OTEL_TRACES_SAMPLER") == "" {
		// A client that sends a trace of its own may join it, and not decide how much is kept.
		ratio := sdktrace.TraceIDRatioBased(cfg.Ratio)
		opts = append(opts, sdktrace.WithSampler(sdktrace.ParentBased(ratio, sdktrace.WithRemoteParentSampled(ratio))))
	}
	e := &Exporter{outcome: o, stop: stop, queue: queue}
	e.traces = sdktrace.NewTracerProvider(opts...)
	reader := []sdkmetric.PeriodicReaderOption{sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(cfg.Gatherer)))}
	if cfg.Getenv("OTEL_METRIC_EXPORT_INTERVAL") == "" {
		reader = append(reader, sdkmetric.WithInterval(metricsEvery))
	}
	e.metrics = sdkmetric.NewMeterProvider(sdkmetric.WithResource(res),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricExporter{numbers, o, alive}, reader...)))
	e.tracer = New(e.traces.Tracer("github.com/foretick/foretick"), cfg.Now)
	return e, nil
}

// Tracer starts the spans that the Exporter sends. That of a nil Exporter is off.
func (e *Exporter) Tracer() *Tracer {
	if e == nil {
		return nil
	}
	return e.tracer
}

// Close sends what waits and stops. It gives up when ctx is done; what was not sent by
// then is lost. A nil Exporter is closed
// already, and closing again does nothing.
func (e *Exporter) Close(ctx context.Context) {
	if e == nil {
		return
	}
	defer func() {
		e.stop()
		e.outcome.settle()
	}()
	free := context.AfterFunc(ctx, e.stop) // or a request that hangs would outlive the limit
	defer free()
	var both sync.WaitGroup
	both.Go(func() {
		_ = e.traces.Shutdown(ctx) // what failed has been counted and told
		_ = e.queue.Shutdown(ctx)  // the provider leaves it running when ctx is done already
	})
	both.Go(func() { _ = e.metrics.Shutdown(ctx) })
	both.Wait()
}

// outcome counts what became of what was sent, and tells of the first failure.
type outcome struct {
	sending sync.RWMutex // read-locked while something is sent

	log    *slog.Logger
	url    string
	told   atomic.Bool
	ended  prometheus.Counter
	sent   prometheus.Counter
	failed prometheus.Counter
	errors *prometheus.CounterVec
}

func newOutcome(cfg Config) (*outcome, error) {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_otlp_spans_total",
		Help: "Spans by what became of them: ended (all that were sampled), sent, failed. The rest waits or was dropped because the queue was full."}, []string{"state"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "foretick_otlp_failures_total",
		Help: "Sendings to the OpenTelemetry collector that failed for good, by signal: traces, metrics."}, []string{"signal"})
	if err := errors.Join(cfg.Registerer.Register(spans), cfg.Registerer.Register(failures)); err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return &outcome{log: cfg.Log, url: cfg.URL, ended: spans.WithLabelValues("ended"), sent: spans.WithLabelValues("sent"), failed: spans.WithLabelValues("failed"), errors: failures}, nil
}

// settle waits until what was being sent has been given up and counted.
func (o *outcome) settle() {
	o.sending.Lock()
	defer o.sending.Unlock()
}

// note counts a failure. Only the first is logged: the log is not for a collector's state.
func (o *outcome) note(signal string, err error) {
	if err == nil {
		return
	}
	o.errors.WithLabelValues(signal).Inc()
	if o.told.CompareAndSwap(false, true) {
		o.log.Warn("the OpenTelemetry collector does not take what is sent; from now on this is only counted, in foretick_otlp_failures_total", "url", o.url, "err", err)
	}
}

// counted is a span processor that counts.
type counted struct {
	sdktrace.SpanProcessor
	o *outcome
}

func (c counted) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.o.ended.Inc()
	}
	c.SpanProcessor.OnEnd(s)
}

// spanExporter keeps errors to itself: the SDK would print each.
type spanExporter struct {
	sdktrace.SpanExporter
	o     *outcome
	alive context.Context
}

func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	e.o.sending.RLock()
	defer e.o.sending.RUnlock()
	ctx, cancel := until(ctx, e.alive)
	defer cancel()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.o.sent.Add(float64(len(spans)))
	} else {
		e.o.failed.Add(float64(len(spans)))
	}
	e.o.note("traces", err)
	return nil
}

// metricExporter does the same.
type metricExporter struct {
	sdkmetric.Exporter
	o     *outcome
	alive context.Context
}

func (e metricExporter) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	e.o.sending.RLock()
	defer e.o.sending.RUnlock()
	ctx, cancel := until(ctx, e.alive)
	defer cancel()
	e.o.note("metrics", e.Exporter.Export(ctx, m))
	return nil
}

// until returns ctx, ending also when alive does.
func until(ctx, alive context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	free := context.AfterFunc(alive, cancel)
	return ctx, func() { free(); cancel() }
}

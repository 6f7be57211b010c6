package app_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/foretick/foretick/internal/app"
)

// histogram parts stand for their histogram.
var (
	metricName = regexp.MustCompile(`\b(foretick_[a-z0-9_]+)`)
	part       = regexp.MustCompile(`_(bucket|count|sum)$`)
)

// TestMonitoring compares what alerts, dashboard and documentation name with what the program
// exports: each of them breaks in silence when a metric is renamed.
func TestMonitoring(t *testing.T) {
	exported := exportedMetrics(t)
	root := filepath.Join("..", "..")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	dashboard, rules, guide := read("deploy/grafana/dashboards/foretick.json"), read("deploy/prometheus/rules.yml"), read("docs/guides/metrics.md")
	if !json.Valid([]byte(dashboard)) {
		t.Error("the dashboard is no JSON")
	}
	documented := map[string]bool{}
	for where, text := range map[string]string{"the dashboard": dashboard, "the rules": rules, "docs/guides/metrics.md": guide} {
		for _, m := range metricName.FindAllString(text, -1) {
			name := m
			if !exported[name] {
				name = part.ReplaceAllString(m, "")
			}
			if strings.HasSuffix(m, "_") { // a family, as in foretick_feed_...
				continue
			}
			if !exported[name] {
				t.Errorf("%s names %s, which the program does not export", where, m)
			}
			if where == "docs/guides/metrics.md" {
				documented[name] = true
			}
		}
	}
	for _, m := range slices.Sorted(maps.Keys(exported)) {
		if strings.HasPrefix(m, "foretick_") && !documented[m] {
			t.Errorf("docs/guides/metrics.md does not explain %s", m)
		}
	}
	runbooks(t, root, rules)
}

// runbooks checks that each alert has a page, and each page an alert.
func runbooks(t *testing.T, root, rules string) {
	t.Helper()
	var doc struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(rules), &doc); err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(root, "docs/runbooks/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(root, "deploy/prometheus/rules_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, g := range doc.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			page := r.Annotations["runbook"]
			if _, err := os.Stat(filepath.Join(root, page)); page == "" || err != nil {
				t.Errorf("%s: no runbook %q", r.Alert, page)
			}
			if !strings.Contains(string(index), r.Alert) {
				t.Errorf("docs/runbooks/README.md does not list %s", r.Alert)
			}
			if !strings.Contains(string(tests), "alertname: "+r.Alert) {
				t.Errorf("rules_test.yml does not test %s", r.Alert)
			}
			used[filepath.Base(page)] = true
		}
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs/runbooks/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		if name := filepath.Base(p); name != "README.md" && !used[name] {
			t.Errorf("no alert leads to docs/runbooks/%s", name)
		}
	}
}

// exportedMetrics are the names that a program exports which follows the simulated market and has
// judged a forecast.
func exportedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	cfg := app.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Feed: "sim", Rollup: []string{"none"}, Models: []string{"naive"}, Horizons: 1, Speed: "1", Sim: "realistic", Seed: 1, Log: "error"}
	if err := cfg.Finish(func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a, err := app.New(ctx, cfg, app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	names := map[string]bool{}
	help := regexp.MustCompile(`(?m)^# HELP (\w+)`)
	// The last to come are the figures of a judged forecast.
	for !names["foretick_forecast_crps_total"] || !names["foretick_http_request_duration_seconds"] || !names["foretick_ledger_verified_height"] {
		select {
		case err := <-done:
			t.Fatalf("serve ended: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		for _, m := range help.FindAllStringSubmatch(page(t, a.URL()+"/metrics"), -1) {
			names[m[1]] = true
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return names
}

func page(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, res.Status, err)
	}
	return string(b)
}

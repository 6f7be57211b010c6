package main

import (
	"archive/zip"
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// firstBar waits until a stream has brought a bar: then there is something stored.
func firstBar(t *testing.T, p *process, key string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/v1/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	for lines := bufio.NewReader(r.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s before a bar came: %v\n%s", r.Status, err, p.log)
		}
		if line == "event: bar\n" {
			return
		}
	}
}

// TestBundle takes a bundle of a running server whose settings hold planted secrets, with a key
// of each kind, and looks for them.
func TestBundle(t *testing.T) {
	dir := t.TempDir()
	settings := filepath.Join(dir, "foretick.yaml")
	if err := os.WriteFile(settings, []byte("predict-api-url: https://user:PLANTED-yaml@p.example/x\nlog: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const admin, reader = "PLANTED-admin-0123456789", "PLANTED-reader-0123456789"
	t.Setenv("FORETICK_API_KEYS", "root:admin:"+admin+",page:read:"+reader)
	t.Setenv("FINNHUB_API_KEY", "PLANTED-venue")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20PLANTED-otel")
	data := filepath.Join(dir, "data")
	p := start(t, "--config", settings, "--data", data, "--feed", "sim", "--models", "naive", "--horizons", "1")
	host := strings.TrimPrefix(p.url, "http://")
	firstBar(t, p, reader)

	take := func(key string) map[string]string {
		t.Setenv("FORETICK_API_KEY", key)
		var out, errs lockedBuffer
		file := filepath.Join(dir, "b.zip")
		if status := run(context.Background(), []string{"doctor", "--config", settings, "--data", data, "--addr", host, "--bundle", file}, &out, &errs); status != 0 {
			t.Fatalf("status %d\n%s%s", status, &out, &errs)
		}
		if !strings.Contains(out.String(), "in    ledger.json") || !strings.Contains(out.String(), "out   log.txt") {
			t.Errorf("it does not say what it did:\n%s", &out)
		}
		if text := out.String() + errs.String(); strings.Contains(text, "PLANTED") {
			t.Errorf("a secret is printed:\n%s", text)
		}
		z, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		files := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files[f.Name] = string(b)
			if i := strings.Index(files[f.Name], "PLANTED"); i >= 0 {
				t.Errorf("%s tells a secret: %.80s", f.Name, files[f.Name][max(0, i-40):])
			}
		}
		return files
	}
	files := take(admin)
	for name, want := range map[string]string{
		"README.txt": "server/goroutines.txt", "doctor.txt": "ok    data", "version.json": `"go"`, "settings.txt": "file         log = warn", "database.json": `"sqlite`,
		"ledger.json": `"sound": true`, "quarantine.json": `"total": 0`, "server/status.json": `"version"`, "server/feeds.json": `"sim`, "server/metrics.txt": "foretick_bars_total", "server/goroutines.txt": "goroutine profile:",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s does not say %s: %.300s", name, want, files[name])
		}
	}
	files = take(reader)
	if files["server/goroutines.txt"] != "" || !strings.Contains(files["README.txt"], "role admin") || files["server/metrics.txt"] == "" {
		t.Errorf("with a key that may only read: %s", files["README.txt"])
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".b.zip*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	var out, errs lockedBuffer
	if status := run(context.Background(), []string{"doctor", "--data", data, "--bundle", "b.tar"}, &out, &errs); status != 2 || !strings.Contains(errs.String(), "end its name in .zip") {
		t.Errorf("status %d, %s", status, &errs)
	}
}

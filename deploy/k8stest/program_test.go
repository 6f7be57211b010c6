package k8stest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

var programDir string // where program put it

// program builds Foretick once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "foretick-k8stest-")
	if err != nil {
		return "", err
	}
	programDir = dir
	out := filepath.Join(dir, "foretick")
	cmd := exec.Command("go", "build", "-trimpath", "-o", out, "./cmd/foretick")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, text)
	}
	return out, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// TestProgramStarts starts the program with the arguments, environment and settings that the chart gives it when nothing is
// said, and asks what the probes and Prometheus ask.
func TestProgramStarts(t *testing.T) {
	for _, set := range []string{"default", "look"} {
		t.Run(set, func(t *testing.T) {
			objects := decodeAll(t, render(t, valueSet(t, set)))
			secret := find[*core.Secret](t, objects)
			p := find[*apps.StatefulSet](t, objects).Spec.Template.Spec.Containers[0]
			url := start(t, p, secret, find[*core.ConfigMap](t, objects).Data["settings.yaml"])

			for _, probe := range []*core.Probe{p.StartupProbe, p.LivenessProbe, p.ReadinessProbe} {
				if code := status(t, url+probe.HTTPGet.Path, "", http.StatusOK); code != http.StatusOK {
					t.Errorf("%s answers %d", probe.HTTPGet.Path, code)
				}
			}
			if code := status(t, url+"/metrics", "", http.StatusUnauthorized); code != http.StatusUnauthorized {
				t.Errorf("without a key /metrics answers %d", code)
			}
			for _, key := range []string{"metrics-token", "admin-key"} {
				if code := status(t, url+"/metrics", string(secret.Data[key]), http.StatusOK); code != http.StatusOK {
					t.Errorf("with %s /metrics answers %d", key, code)
				}
			}
		})
	}
}

// start runs the program of a container on a free port, until the test ends, and returns its address.
func start(t *testing.T, c core.Container, secret *core.Secret, settings string) string {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "settings.yaml")
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	args := slices.Clone(c.Args)
	for i, a := range args {
		if a == c.VolumeMounts[0].MountPath+"/settings.yaml" {
			args[i] = file
		}
	}
	if !slices.Contains(args, file) {
		t.Fatalf("the settings are not read: %v", args)
	}
	cmd := exec.Command(bin, args...)
	// What the image sets, on a port and in a folder of this test.
	cmd.Env = []string{"FORETICK_ADDR=0.0.0.0:0", "FORETICK_DATA=" + filepath.Join(dir, "data")}
	for _, e := range c.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+string(secret.Data[e.ValueFrom.SecretKeyRef.Key]))
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, &stderr)
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if m := regexp.MustCompile(`http://\S+:(\d+)`).FindStringSubmatch(lines.Text()); m != nil {
			go io.Copy(io.Discard, stdout)
			return "http://127.0.0.1:" + m[1]
		}
	}
	t.Fatalf("it does not say where it is:\n%s", &stderr)
	return ""
}

// status asks until the answer is the wanted one, as a probe does, for three minutes at most, and returns the last.
func status(t *testing.T, url, key string, want int) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	last := 0
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		if r, err := http.DefaultClient.Do(req); err == nil {
			last = r.StatusCode
			_ = r.Body.Close()
		}
		if last == want {
			return last
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return last
		}
	}
}

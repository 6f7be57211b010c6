// Package composetest loads the files of deploy/compose as docker compose does, with the loader of
// the Compose specification. It is a module of its own so that its dependencies are nobody else's.
package composetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

const folder = "../compose"

// load reads files, one over the other.
func load(t *testing.T, names ...string) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	// What make-secrets would write.
	scratch := t.TempDir()
	for _, f := range []string{"make-secrets", "compose.yaml", "compose.roles.yaml"} {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(scratch, f), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(filepath.Join(scratch, "make-secrets")).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "key for the page: ") {
		t.Fatalf("%v %s", err, out)
	}
	again, err := exec.Command(filepath.Join(scratch, "make-secrets")).CombinedOutput()
	if err != nil || string(again) != string(out) {
		t.Fatalf("secrets are not kept: %v %s", err, again)
	}
	var files []types.ConfigFile
	for _, n := range names {
		files = append(files, types.ConfigFile{Filename: filepath.Join(scratch, n)})
	}
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{WorkingDir: scratch, ConfigFiles: files, Environment: types.Mapping{}}, func(o *loader.Options) { o.SetProjectName("foretick", true) })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestServices(t *testing.T) {
	for name, c := range map[string]struct {
		files, services []string
	}{
		"one":   {[]string{"compose.yaml"}, []string{"foretick", "postgres", "prometheus", "grafana"}},
		"roles": {[]string{"compose.yaml", "compose.roles.yaml"}, []string{"foretick", "postgres", "prometheus", "grafana", "standby", "reader", "proxy"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := load(t, c.files...)
			if len(p.Services) != len(c.services) {
				t.Errorf("services %v, want %v", p.ServiceNames(), c.services)
			}
			for _, want := range c.services {
				s, err := p.GetService(want)
				if err != nil {
					t.Error(err)
					continue
				}
				if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 {
					t.Errorf("%s has no health check", want)
				}
				if !s.ReadOnly || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || len(s.SecurityOpt) == 0 {
					t.Errorf("%s may write to its root, or keeps capabilities", want)
				}
				for on, d := range s.DependsOn {
					if _, err := p.GetService(on); err != nil || d.Condition != types.ServiceConditionHealthy {
						t.Errorf("%s depends on %s: %s, %v", want, on, d.Condition, err)
					}
				}
				for _, port := range s.Ports {
					if port.HostIP != "127.0.0.1" {
						t.Errorf("%s is reached from other machines at port %s", want, port.Published)
					}
				}
				for _, v := range s.Volumes {
					if v.Type == types.VolumeTypeVolume {
						if _, ok := p.Volumes[v.Source]; !ok {
							t.Errorf("%s mounts %s, which is no volume", want, v.Source)
						}
					}
				}
				for _, secret := range s.Secrets {
					def, ok := p.Secrets[secret.Source]
					if _, err := os.Stat(def.File); !ok || err != nil {
						t.Errorf("%s needs the secret %s: %v", want, secret.Source, err)
					}
				}
			}
			f := p.Services["foretick"]
			if f.Environment["FORETICK_STORE"] == nil || f.Environment["FORETICK_API_KEYS"] == nil {
				t.Errorf("environment %v", f.Environment)
			}
		})
	}
}

// TestProxyKnowsItsServers finds every server of the proxy among the services.
func TestProxyKnowsItsServers(t *testing.T) {
	p := load(t, "compose.yaml", "compose.roles.yaml")
	b, err := os.ReadFile(filepath.Join(folder, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range strings.Split(string(b), "\n") {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "server ")
		host, _, at := strings.Cut(rest, ":")
		if !ok || !at {
			continue
		}
		n++
		if _, err := p.GetService(host); err != nil {
			t.Errorf("the proxy asks %s: %v", host, err)
		}
	}
	if n < 5 {
		t.Errorf("%d servers behind the proxy", n)
	}
}

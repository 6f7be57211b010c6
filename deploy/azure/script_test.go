package azure

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// swap runs appservice.sh with programs in place of az and smoke. well says of each version
// (v1 runs at first, v2 is new) whether it answers as it should, and as what: in the slot, after the
// swap, or as the writer. It returns what az was told, and how the script ended.
func swap(t *testing.T, well map[string]bool, args ...string) (calls []string, err error) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write("production", "v1")
	write("staging", "old")
	write("running", "stopped")
	for k, v := range well {
		if v {
			write("well-"+k, "")
		}
	}
	write("az", `#!/bin/sh
cd "`+dir+`"
echo "$*" >> calls
case "$*" in
*"container set"*) echo v2 > staging ;;
*"slot swap"*) a=$(cat production); cat staging > production; echo "$a" > staging ;;
"webapp start"*) echo running > running ;;
"webapp stop"*) echo stopped > running ;;
*"--slot staging --query"*) echo staging.example ;;
*"--query"*) echo production.example ;;
esac
`)
	write("smoke", `#!/bin/sh
cd "`+dir+`"
case $1 in
*staging*) test "$(cat running)" = running && test -e "well-$(cat staging | tr -d '\n')-slot" ;;
*) if [ -n "${FORETICK_SMOKE_FORECAST:-}" ]; then what=writer; else what=swapped; fi
   test -e "well-$(cat production | tr -d '\n')-$what" ;;
esac
`)
	script, err := filepath.Abs("appservice.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script, args...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "FORETICK_SMOKE="+filepath.Join(dir, "smoke"), "FORETICK_GROUP=g", "FORETICK_APP=a")
	out, runErr := cmd.CombinedOutput()
	t.Logf("%s", out)
	b, err := os.ReadFile(filepath.Join(dir, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		switch {
		case strings.Contains(line, "container set"):
			calls = append(calls, "image")
		case strings.Contains(line, "slot swap"):
			calls = append(calls, "swap")
		case strings.HasPrefix(line, "webapp start"):
			calls = append(calls, "start")
		case strings.HasPrefix(line, "webapp stop"):
			calls = append(calls, "stop")
		}
	}
	p, err := os.ReadFile(filepath.Join(dir, "production"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := os.ReadFile(filepath.Join(dir, "running"))
	if err != nil {
		t.Fatal(err)
	}
	return append(calls, strings.TrimSpace(string(p))+" serves", "slot "+strings.TrimSpace(string(s))), runErr
}

func TestSwap(t *testing.T) {
	before := map[string]bool{"v1-slot": true, "v1-swapped": true, "v1-writer": true}
	with := func(more ...string) map[string]bool {
		m := map[string]bool{}
		for k := range before {
			m[k] = true
		}
		for _, k := range more {
			m[k] = true
		}
		return m
	}
	tests := []struct {
		name string
		well map[string]bool
		want string
		fail bool
	}{
		{"a good version", with("v2-slot", "v2-swapped", "v2-writer"), "image start swap stop v2 serves slot stopped", false},
		{"not well in the slot", with(), "image start stop v1 serves slot stopped", true},
		{"not well after the swap", with("v2-slot"), "image start swap start swap stop v1 serves slot stopped", true},
		{"does not forecast as the writer", with("v2-slot", "v2-swapped"), "image start swap stop start swap stop v1 serves slot stopped", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls, err := swap(t, tt.well, "registry.example/foretick:2")
			if got := strings.Join(calls, " "); got != tt.want || (err != nil) != tt.fail {
				t.Errorf("%s (%v), want %s, failed %v", got, err, tt.want, tt.fail)
			}
		})
	}
	t.Run("back", func(t *testing.T) {
		calls, err := swap(t, map[string]bool{"old-slot": true, "old-swapped": true}, "back")
		if got := strings.Join(calls, " "); got != "start swap stop old serves slot stopped" || err != nil {
			t.Errorf("%s (%v)", got, err)
		}
	})
}

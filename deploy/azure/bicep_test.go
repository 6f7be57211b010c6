package azure

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// module is what a test of structure sees of a Bicep file.
type module struct {
	params   map[string]bool // name, whether it has a default
	secure   map[string]bool
	outputs  map[string]bool
	declared map[string]bool // symbols: params, vars, resources, modules
	text     string
}

var (
	paramLine  = regexp.MustCompile(`(?m)^param (\w+) \w+( =)?`)
	secureLine = regexp.MustCompile(`(?m)^@secure\(\)\n(?:@[^\n]*\n)*param (\w+)`)
	outputLine = regexp.MustCompile(`(?m)^output (\w+) \w+ =`)
	symbolLine = regexp.MustCompile(`(?m)^(?:param|var|resource|module) (\w+)`)
	moduleLine = regexp.MustCompile(`(?ms)^module (\w+) '([^']+)' = (?:if \(\w+\) )?\{\n(.*?)^\}`)
	setLine    = regexp.MustCompile(`(?m)^    (\w+):`)
	usedOutput = regexp.MustCompile(`(\w+)\.outputs\.(\w+)`)
	strings3   = regexp.MustCompile(`(?s)'''.*?'''`)
)

func readModule(t *testing.T, file string) module {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := module{params: map[string]bool{}, secure: map[string]bool{}, outputs: map[string]bool{}, declared: map[string]bool{}, text: string(b)}
	code := strings3.ReplaceAllString(m.text, "''")
	for _, pair := range []string{"{}", "[]", "()"} {
		if strings.Count(code, pair[:1]) != strings.Count(code, pair[1:]) {
			t.Errorf("%s: %s do not pair", file, pair)
		}
	}
	for _, x := range paramLine.FindAllStringSubmatch(code, -1) {
		m.params[x[1]] = x[2] != ""
	}
	for _, x := range secureLine.FindAllStringSubmatch(code, -1) {
		m.secure[x[1]] = true
	}
	for _, x := range outputLine.FindAllStringSubmatch(code, -1) {
		m.outputs[x[1]] = true
	}
	for _, x := range symbolLine.FindAllStringSubmatch(code, -1) {
		m.declared[x[1]] = true
	}
	return m
}

func TestBicep(t *testing.T) {
	main := readModule(t, "bicep/main.bicep")
	calls := moduleLine.FindAllStringSubmatch(main.text, -1)
	files, err := filepath.Glob("bicep/modules/*.bicep")
	if err != nil || len(calls) != len(files) {
		t.Fatalf("%d modules are called, %d are there (%v)", len(calls), len(files), err)
	}
	modules := map[string]module{}
	for _, c := range calls {
		name, file, body := c[1], c[2], c[3]
		m := readModule(t, filepath.Join("bicep", file))
		modules[name] = m
		_, given, _ := strings.Cut(body, "params: {")
		set := map[string]bool{}
		for _, x := range setLine.FindAllStringSubmatch(given, -1) {
			set[x[1]] = true
			if _, ok := m.params[x[1]]; !ok {
				t.Errorf("%s has no parameter %s", file, x[1])
			}
		}
		for p, optional := range m.params {
			if !optional && !set[p] {
				t.Errorf("%s is not given its parameter %s", file, p)
			}
		}
	}
	for _, x := range usedOutput.FindAllStringSubmatch(main.text, -1) {
		if !modules[x[1]].outputs[x[2]] {
			t.Errorf("%s.outputs.%s: there is no such output", x[1], x[2])
		}
	}
	for name, m := range modules {
		for p := range m.params {
			if n := len(regexp.MustCompile(`\b`+p+`\b`).FindAllString(m.text, -1)); n < 2 {
				t.Errorf("module %s does not use its parameter %s", name, p)
			}
		}
	}
}

// Nothing secret stands in a file: what is secret is a secure parameter without a default, and comes from
// the environment.
func TestBicepSecrets(t *testing.T) {
	main := readModule(t, "bicep/main.bicep")
	for _, p := range []string{"databasePassword", "apiKeys", "gatewayKey"} {
		if !main.secure[p] {
			t.Errorf("%s is not @secure()", p)
		}
	}
	if main.params["databasePassword"] || main.params["apiKeys"] {
		t.Error("a secret has a default")
	}
	files, err := filepath.Glob("bicep/*.bicepparam")
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, want one an environment (%v)", files, err)
	}
	line := regexp.MustCompile(`(?m)^param (\w+) = (.*)$`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		set := map[string]string{}
		for _, x := range line.FindAllStringSubmatch(string(b), -1) {
			set[x[1]] = x[2]
			if _, ok := main.params[x[1]]; !ok {
				t.Errorf("%s: main.bicep has no parameter %s", f, x[1])
			}
			if main.secure[x[1]] && !strings.HasPrefix(x[2], "readEnvironmentVariable('FORETICK_") {
				t.Errorf("%s: the secret %s is not read from the environment", f, x[1])
			}
		}
		for p, optional := range main.params {
			if _, ok := set[p]; !ok && !optional {
				t.Errorf("%s does not set %s", f, p)
			}
		}
		if name := strings.TrimSuffix(filepath.Base(f), ".bicepparam"); set["environment"] != "'"+name+"'" {
			t.Errorf("%s is for the environment %s", f, set["environment"])
		}
		if set["gateway"] == "true" && set["gatewayKey"] == "" {
			t.Errorf("%s: API Management has no key to ask with", f)
		}
	}
}

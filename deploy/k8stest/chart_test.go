package k8stest

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files and the kustomize bases anew")

const (
	chartDir  = "../helm/foretick"
	valuesDir = "../helm/values"
	namespace = "markets"
)

// valueSets are the examples of values that the chart is shipped with.
func valueSets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(valuesDir + "/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d value sets, %v", len(files), err)
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".yaml"))
	}
	return names
}

func valueSet(t *testing.T, name string) map[string]any {
	t.Helper()
	return valuesFile(t, filepath.Join(valuesDir, name+".yaml"))
}

func valuesFile(t *testing.T, file string) map[string]any {
	t.Helper()
	v, err := chartutil.ReadValuesFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// values reads values written in a test.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// manifest is one document of a rendering.
type manifest struct {
	file string // the template that it is of
	text string
}

// rendering is what a chart gives for some values.
type rendering struct {
	manifests []manifest
	notes     string
}

func (r rendering) String() string {
	var b strings.Builder
	for _, m := range r.manifests {
		fmt.Fprintf(&b, "---\n# Source: foretick/templates/%s\n%s", m.file, m.text)
	}
	return b.String()
}

// installer is how a chart is rendered. The zero value is Helm's first install without a cluster.
type installer struct {
	service string // Helm when empty
	cluster engine.ClientProvider
}

// render renders as `helm template foretick` does.
func (i installer) render(t *testing.T, v map[string]any) (rendering, error) {
	t.Helper()
	c := loadChart(t)
	opt := chartutil.ReleaseOptions{Name: "foretick", Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(c, v, opt, nil)
	if err != nil {
		return rendering{}, err
	}
	if i.service != "" {
		all["Release"].(map[string]any)["Service"] = i.service
	}
	var files map[string]string
	if i.cluster != nil {
		files, err = engine.RenderWithClientProvider(c, all, i.cluster)
	} else {
		files, err = engine.Render(c, all)
	}
	if err != nil {
		return rendering{}, err
	}
	var r rendering
	for name, text := range files {
		switch base := path.Base(name); {
		case base == "NOTES.txt":
			r.notes = text
		case strings.HasPrefix(base, "_") || strings.TrimSpace(text) == "":
		default:
			for doc := range strings.SplitSeq(text, "\n---\n") {
				r.manifests = append(r.manifests, manifest{base, strings.TrimSpace(doc) + "\n"})
			}
		}
	}
	slices.SortStableFunc(r.manifests, func(a, b manifest) int { return strings.Compare(a.file, b.file) })
	return r, nil
}

func render(t *testing.T, v map[string]any) rendering {
	t.Helper()
	r, err := installer{}.render(t, v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// golden compares text with a file, or writes it with -update.
func golden(t *testing.T, file, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test . -update in deploy/k8stest writes it", err)
	}
	if string(want) != text {
		t.Errorf("%s differs from what is rendered now (go test . -update writes it anew):\n%s", file, difference(string(want), text))
	}
}

// difference shows the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	end := func(s []string) []string { return s[min(i, len(s)):min(i+8, len(s))] }
	return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, strings.Join(end(w), "\n- "), strings.Join(end(g), "\n+ "))
}

package azure

import (
	"bytes"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The shapes of Azure Pipelines as far as ours use them (learn.microsoft.com, "YAML schema
// reference for Azure Pipelines"). Decoding is strict: a key that is not here is an error.
type (
	pipeline struct {
		Name       string
		Trigger    trigger
		PR         trigger `yaml:"pr"`
		Parameters []parameter
		Variables  variables
		Stages     []stage
		Steps      []step
	}
	trigger struct {
		Branches, Tags, Paths struct{ Include, Exclude []string }
	}
	parameter struct {
		Name, DisplayName, Type string
		Default                 any
		Values                  []string
	}
	variables []variable
	variable  struct {
		Group, Template, Name string
		Value                 *string
		Chosen                map[string]map[string]string `yaml:",inline"` // ${{ if }} and ${{ else }}
	}
	stage struct {
		Stage, DisplayName, DependsOn, Condition string
		Template                                 string
		Parameters                               map[string]any
		Variables                                variables
		Jobs                                     []job
		Chosen                                   map[string][]stage `yaml:",inline"`
	}
	job struct {
		Job, Deployment, DisplayName, Environment string
		TimeoutInMinutes                          int
		Pool                                      struct{ VMImage string }
		Steps                                     []step
		Strategy                                  struct {
			RunOnce struct {
				Deploy struct{ Steps []step }
			}
		}
	}
	step struct {
		Template, Task, Script, Checkout, Publish string
		DisplayName, Condition, Artifact          string
		FetchDepth                                *int
		Env                                       map[string]string
		Inputs                                    map[string]any
		Chosen                                    map[string][]step `yaml:",inline"`
	}
)

// UnmarshalYAML takes both forms: a list, and names with values.
func (v *variables) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.MappingNode {
		var m map[string]string
		if err := n.Decode(&m); err != nil {
			return err
		}
		for name, value := range m {
			*v = append(*v, variable{Name: name, Value: &value})
		}
		return nil
	}
	return n.Decode((*[]variable)(v))
}

// tasks are those that we use, with the inputs each needs and may have (learn.microsoft.com,
// "Azure Pipelines task reference").
var tasks = map[string]struct{ needs, may []string }{
	"GoTool@0":  {needs: []string{"version"}},
	"UseNode@1": {needs: []string{"version"}},
	"Cache@2":   {needs: []string{"key", "path"}, may: []string{"restoreKeys"}},
	"PublishTestResults@2": {needs: []string{"testResultsFormat", "testResultsFiles"},
		may: []string{"mergeTestResults", "failTaskOnFailedTests"}},
	"PublishCodeCoverageResults@2": {needs: []string{"summaryFileLocation"}},
	"AzureCLI@2": {needs: []string{"azureSubscription", "scriptType", "scriptLocation"},
		may: []string{"inlineScript", "scriptPath", "arguments"}},
}

const root = "../.."

func decode(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	// Keys of Azure's YAML are written in camel case; the decoder lowers field names.
	d := yaml.NewDecoder(bytes.NewReader(lowerKeys(t, b)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// lowerKeys lowers the keys that are fields of the schema; those of maps of ours (parameters,
// inputs, env, and expressions) stay as they are.
func lowerKeys(t *testing.T, b []byte) []byte {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node, keep bool)
	walk = func(n *yaml.Node, keep bool) {
		if n.Kind == yaml.MappingNode {
			for i := 0; i < len(n.Content); i += 2 {
				k := n.Content[i]
				mine := k.Value == "parameters" && n.Content[i+1].Kind == yaml.MappingNode || k.Value == "inputs" || k.Value == "env"
				if !keep && !strings.HasPrefix(k.Value, "${{") {
					k.Value = strings.ToLower(k.Value)
				}
				walk(n.Content[i+1], keep || mine)
			}
			return
		}
		for _, c := range n.Content {
			walk(c, keep)
		}
	}
	walk(&doc, false)
	out, err := yaml.Marshal(&doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// reader follows a pipeline through its templates and gathers what it uses.
type reader struct {
	t       *testing.T
	stages  map[string]bool
	defined map[string]bool // variables
	scripts []string
	files   []string
}

// template decodes a template named in a file and checks what it is given.
func (r *reader) template(from, name string, given map[string]any) (pipeline, string) {
	r.t.Helper()
	file := path.Join(path.Dir(from), name)
	var p pipeline
	decode(r.t, file, &p)
	declared := map[string]parameter{}
	for _, d := range p.Parameters {
		declared[d.Name] = d
		if _, ok := flat(given)[d.Name]; !ok && d.Default == nil {
			r.t.Errorf("%s: %s needs the parameter %s", from, name, d.Name)
		}
	}
	for k, v := range flat(given) {
		d, ok := declared[k]
		s, text := v.(string)
		switch {
		case !ok:
			r.t.Errorf("%s: %s has no parameter %s", from, name, k)
		case text && len(d.Values) > 0 && !strings.HasPrefix(s, "${{") && !slices.Contains(d.Values, s):
			r.t.Errorf("%s: %s: %s is %q, not one of %v", from, name, k, s, d.Values)
		}
	}
	return p, file
}

// expression reports a key that is neither of the schema nor a condition.
func (r *reader) expression(file, key string) {
	if !strings.HasPrefix(key, "${{ if ") && key != "${{ else }}" {
		r.t.Errorf("%s: %q is no key of the schema", file, key)
	}
}

// flat resolves conditions among parameters: any branch may be taken.
func flat(given map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range given {
		if m, ok := v.(map[string]any); ok && strings.HasPrefix(k, "${{") {
			maps.Copy(out, m)
			continue
		}
		out[k] = v
	}
	return out
}

func (r *reader) variables(file string, list []variable) {
	for _, v := range list {
		for k := range v.Chosen {
			r.expression(file, k)
		}
		switch {
		case v.Template != "":
			// The name may hold the environment: every environment has the file.
			for _, e := range []string{"dev", "uat", "production"} {
				p, f := r.template(file, strings.ReplaceAll(v.Template, "${{ parameters.environment }}", e), nil)
				r.variables(f, p.Variables)
			}
		case v.Name != "":
			if v.Value == nil && len(v.Chosen) == 0 {
				r.t.Errorf("%s: variable %s has no value", file, v.Name)
			}
			r.defined[v.Name] = true
		case v.Group == "":
			r.t.Errorf("%s: a variable without a name, group or template", file)
		}
	}
}

func (r *reader) stage(file string, s stage) {
	for k, list := range s.Chosen {
		r.expression(file, k)
		for _, c := range list {
			r.stage(file, c)
		}
	}
	if s.Template != "" {
		p, f := r.template(file, s.Template, s.Parameters)
		for _, c := range p.Stages {
			for k, v := range flat(s.Parameters) {
				if text, ok := v.(string); ok {
					c.Stage = strings.ReplaceAll(c.Stage, "${{ parameters."+k+" }}", text)
					c.DependsOn = strings.ReplaceAll(c.DependsOn, "${{ parameters."+k+" }}", text)
				}
			}
			r.stage(f, c)
		}
		return
	}
	if s.Stage == "" {
		return // a condition
	}
	r.stages[s.Stage] = true
	if s.DependsOn != "" && !r.stages[s.DependsOn] {
		r.t.Errorf("%s: stage %s comes after %q, which is no stage before it", file, s.Stage, s.DependsOn)
	}
	r.variables(file, s.Variables)
	for _, j := range s.Jobs {
		if (j.Job == "") == (j.Deployment == "") || j.Pool.VMImage == "" || j.TimeoutInMinutes == 0 {
			r.t.Errorf("%s: a job of stage %s lacks its name, pool or time limit", file, s.Stage)
		}
		if j.Deployment != "" && j.Environment == "" {
			r.t.Errorf("%s: deployment %s has no environment: nobody could approve it", file, j.Deployment)
		}
		r.steps(file, j.Steps)
		r.steps(file, j.Strategy.RunOnce.Deploy.Steps)
	}
}

func (r *reader) steps(file string, list []step) {
	for _, s := range list {
		for k, c := range s.Chosen {
			r.expression(file, k)
			r.steps(file, c)
		}
		switch {
		case s.Template != "":
			p, f := r.template(file, s.Template, nil)
			r.steps(f, p.Steps)
		case s.Script != "":
			r.scripts = append(r.scripts, s.Script)
		case s.Task != "":
			r.task(file, s)
		case s.Publish != "":
			r.scripts = append(r.scripts, s.Publish)
		}
	}
}

func (r *reader) task(file string, s step) {
	known, ok := tasks[s.Task]
	if !ok {
		r.t.Errorf("%s: task %s is not known to this test", file, s.Task)
		return
	}
	for _, k := range known.needs {
		if _, ok := s.Inputs[k]; !ok {
			r.t.Errorf("%s: task %s lacks the input %s", file, s.Task, k)
		}
	}
	for k, v := range s.Inputs {
		if !slices.Contains(known.needs, k) && !slices.Contains(known.may, k) {
			r.t.Errorf("%s: task %s has no input %s", file, s.Task, k)
		}
		if text, ok := v.(string); ok {
			r.scripts = append(r.scripts, text)
			if k == "scriptPath" {
				r.files = append(r.files, text)
			}
		}
	}
	for _, v := range s.Env {
		r.scripts = append(r.scripts, v)
	}
}

func TestPipeline(t *testing.T) {
	const file = "azure-pipelines.yml"
	var p pipeline
	decode(t, file, &p)
	r := &reader{t: t, stages: map[string]bool{}, defined: map[string]bool{}}
	r.variables(file, p.Variables)
	for _, s := range p.Stages {
		r.stage(file, s)
	}
	for _, want := range []string{"build", "image", "dev", "uat", "production"} {
		if !r.stages[want] {
			t.Errorf("there is no stage %s", want)
		}
	}
	for _, f := range r.files {
		exists(t, f)
	}
	mentions(t, file, strings.Join(r.scripts, "\n"))
	// Every $(name) is a variable of ours, of a library group, or of Azure.
	groups := groupVariables(t)
	used := regexp.MustCompile(`\$\(([A-Za-z_.]+)\)`)
	for _, s := range r.scripts {
		for _, m := range used.FindAllStringSubmatch(s, -1) {
			if !r.defined[m[1]] && !groups[m[1]] && !strings.HasPrefix(m[1], "Build.") && !strings.HasPrefix(m[1], "Pipeline.") && !strings.HasPrefix(m[1], "Agent.") {
				t.Errorf("$(%s) is defined nowhere: %s", m[1], s)
			}
		}
	}
}

// groupVariables are the names that docs/azure.md tells to put into the library groups.
func groupVariables(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs/azure.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range regexp.MustCompile("`(FORETICK_[A-Z_]+)`").FindAllStringSubmatch(string(b), -1) {
		names[m[1]] = true
	}
	return names
}

// mentions checks what a script names: make targets, and files of the repository.
func mentions(t *testing.T, where, script string) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\bmake ([a-z-]+)`).FindAllStringSubmatch(script, -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
			t.Errorf("%s: the Makefile has no target %s", where, m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?:deploy|tools|docs|bench)/[A-Za-z0-9_./${}() -]*[A-Za-z0-9]`).FindAllString(script, -1) {
		name := strings.Fields(m)[0]
		if strings.ContainsAny(name, "$") || strings.Contains(m, "${{ parameters.environment }}") {
			for _, e := range []string{"dev", "uat", "production"} {
				one := regexp.MustCompile(`\$\{\{ parameters\.environment \}\}|\$ENVIRONMENT`).ReplaceAllString(m, e)
				exists(t, strings.Fields(one)[0])
			}
			continue
		}
		exists(t, name)
	}
}

func exists(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		t.Errorf("a file that is named is not there: %v", err)
	}
}

// The workflows of GitHub are checked by actionlint (make lint); here, that what they name exists.
func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	var used []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var w struct {
			Jobs map[string]struct {
				Uses  string
				Steps []struct{ Run string }
			}
		}
		if err := yaml.Unmarshal(b, &w); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, j := range w.Jobs {
			if j.Uses != "" {
				exists(t, strings.TrimPrefix(j.Uses, "./"))
			}
			for _, s := range j.Steps {
				mentions(t, f, s.Run)
				used = append(used, s.Run)
			}
		}
	}
	all := strings.Join(used, "\n")
	for _, want := range []string{"make lint", "make report", "make image", "make scan", "make image ARGS=\"-push", "deploy/azure/appservice.sh", "az deployment group create",
		"tools/notes", "make release", "gh release create"} {
		if !strings.Contains(all, want) {
			t.Errorf("no workflow runs %q", want)
		}
	}
}

package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// yamlFile resolves flags from a YAML file whose keys are the flags' names.
type yamlFile struct {
	path   string
	values map[string]any
}

func loadYAML(path string) (*yamlFile, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	y := &yamlFile{path: path}
	if err := yaml.Unmarshal(b, &y.values); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return y, nil
}

// Validate refuses keys that are no flag of any command: a misspelt setting must
// not be ignored.
func (y *yamlFile) Validate(app *kong.Application) error {
	known := map[string]bool{}
	var walk func(n *kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			known[f.Name] = true
		}
		for _, c := range n.Children {
			walk(c)
		}
	}
	walk(app.Node)
	for _, k := range slices.Sorted(maps.Keys(y.values)) {
		if !known[k] || k == "api-keys" {
			return fmt.Errorf("%s: there is no setting %q (keys are the names of flags, see foretick serve --help)", y.path, k)
		}
	}
	return nil
}

// Resolve gives the file's value of a flag that neither the command line nor the
// environment sets.
func (y *yamlFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, env := range flag.Envs {
		if _, ok := os.LookupEnv(env); ok {
			return nil, nil
		}
	}
	v, ok := y.values[flag.Name]
	if !ok {
		return nil, nil
	}
	switch v := v.(type) {
	case []any:
		if !flag.IsSlice() {
			return nil, fmt.Errorf("%s: %s takes one value, not a list", y.path, flag.Name)
		}
		return v, nil
	case map[string]any:
		return nil, fmt.Errorf("%s: %s takes a value, not a mapping", y.path, flag.Name)
	default:
		return strings.TrimSpace(fmt.Sprint(v)), nil
	}
}

// dropEmpty unsets what is set to nothing. Containers hand on settings that nobody made as
// empty variables; they mean the default, not an empty value.
func dropEmpty(environ []string) {
	for _, e := range environ {
		if k, v, _ := strings.Cut(e, "="); v == "" && (strings.HasPrefix(k, "FORETICK_") || k == "PORT") {
			os.Unsetenv(k)
		}
	}
}

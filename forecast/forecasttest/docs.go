package forecasttest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// documented checks that somebody who meets the model's name can read what it is.
func documented(t *testing.T, c *Case) {
	page, heading, _ := strings.Cut(c.Docs, "#")
	if c.Docs == "" {
		page, heading = "docs/forecasting.md", c.Model.Name()
	}
	text, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	var section strings.Builder
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			if found {
				break
			}
			// One section may be of several models: "garch, gjr, gjrx".
			found = slices.Contains(strings.Split(strings.TrimSpace(title), ", "), heading)
			continue
		}
		if found {
			section.WriteString(line)
		}
	}
	if n := len(strings.Fields(section.String())); n < 30 {
		t.Errorf("%s says %d words under a heading %q: it should say what the model is, when it is good and when bad", page, n, heading)
	}
}

// root is the folder of the module that the test is of.
func root(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}

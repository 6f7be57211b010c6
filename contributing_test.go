package foretick_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// cited finds "law 3" and "laws 1, 2 and 7".
	cited   = regexp.MustCompile(`(?i)\blaws? ([0-9]+(?:(?:, | and | to )[0-9]+)*)`)
	number  = regexp.MustCompile(`[0-9]+`)
	heading = regexp.MustCompile(`(?m)^### Law ([0-9]+): .+$`)
	lawTest = regexp.MustCompile("(?m)^Test: `(TestLaw[0-9]+[A-Za-z]*)`")
	lawFunc = regexp.MustCompile(`(?m)^func (TestLaw[0-9]+[A-Za-z]*)\(`)
)

// TestLawsAreOnTheWall looks for every law that a file cites, and for the test of every law,
// in CONTRIBUTING.md.
func TestLawsAreOnTheWall(t *testing.T) {
	const wall = "CONTRIBUTING.md"
	b, err := os.ReadFile(wall)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{} // by law
	places := heading.FindAllSubmatchIndex(b, -1)
	for i, p := range places {
		law, end := string(b[p[2]:p[3]]), len(b)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		m := lawTest.FindSubmatch(b[p[1]:end])
		if m == nil {
			t.Errorf("%s names no test of law %s", wall, law)
			continue
		}
		if name := string(m[1]); !strings.HasPrefix(name, "TestLaw"+law) {
			t.Errorf("%s: the test of law %s is called %s", wall, law, name)
		}
		tests[law] = string(m[1])
	}
	if len(tests) != 7 {
		t.Errorf("%s states %d laws with a test each, want seven", wall, len(tests))
	}
	found, citations := map[string]int{}, 0 // tests of laws, by name
	for _, file := range written(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range cited.FindAllStringSubmatch(string(text), -1) {
			for _, law := range number.FindAllString(m[1], -1) {
				citations++
				if tests[law] == "" {
					t.Errorf("%s cites law %s, which %s does not state", file, law, wall)
				}
			}
		}
		for _, m := range lawFunc.FindAllStringSubmatch(string(text), -1) {
			found[m[1]]++
		}
	}
	if citations < 20 {
		t.Errorf("only %d citations were found: this test does not read the repository any more", citations)
	}
	for law, name := range tests {
		if found[name] != 1 {
			t.Errorf("law %s has %d tests called %s, want one", law, found[name], name)
		}
		delete(found, name)
	}
	for name := range found {
		t.Errorf("%s does not name %s", wall, name)
	}
}

// written lists the files of the repository in which people write.
func written(t *testing.T) (files []string) {
	t.Helper()
	kinds := []string{".go", ".ts", ".tsx", ".md", ".css", ".sql", ".txtar", ".yml", ".yaml"}
	built := []string{".git", "bin", "data", "dist", "node_modules"}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(built, d.Name()):
			return filepath.SkipDir
		case d.Type().IsRegular() && slices.Contains(kinds, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

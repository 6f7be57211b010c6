package web

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// A page that was built must be whole: every file that index.html and the
// documentation name is there, and none of them is on another host.
func TestBuiltPageIsWhole(t *testing.T) {
	dist := Dist()
	if !Built() {
		if err := fstest.TestFS(dist, ".gitkeep"); err != nil {
			t.Fatalf("the placeholder must be there when the page is not built: %v", err)
		}
		return
	}
	ref := regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	for _, page := range []struct{ file, base string }{{"index.html", ""}, {"docs/index.html", "docs/"}} {
		html, err := fs.ReadFile(dist, page.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ref.FindAllStringSubmatch(string(html), -1) {
			name := m[1]
			if strings.HasPrefix(name, "#") || name == "/" || name == "/openapi.json" {
				continue
			}
			if strings.Contains(name, "//") {
				t.Errorf("%s refers to another host: %s", page.file, name)
				continue
			}
			if strings.HasPrefix(name, "/") {
				name = name[1:]
			} else {
				name = page.base + name
			}
			if _, err := fs.Stat(dist, name); err != nil {
				t.Errorf("%s refers to a file that is not there: %v", page.file, err)
			}
		}
	}
}

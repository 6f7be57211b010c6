package foretick_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/ledger"
)

var update = flag.Bool("update", false, "write the table of packages in ARCHITECTURE.md anew")

// The table of packages stands between these lines of ARCHITECTURE.md.
const (
	tableBegins = "<!-- packages: written by go test . -run Architecture -update -->\n"
	tableEnds   = "<!-- end of packages -->\n"
)

// TestArchitecture compares the table of packages in ARCHITECTURE.md with layers and with
// what go list finds.
func TestArchitecture(t *testing.T) {
	const file = "ARCHITECTURE.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(b), tableBegins)
	table, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("%s has no lines %q and %q", file, tableBegins, tableEnds)
	}
	want := packageTable(t)
	if table == want {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+tableBegins+want+tableEnds+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("the table of packages in %s is not that of layers_test.go and go list ./...; write it anew: go test . -run Architecture -update", file)
}

// TestFormatsAreNumbered looks for the number of the ledger's format in its specification.
func TestFormatsAreNumbered(t *testing.T) {
	b, err := os.ReadFile("docs/formats/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("# The ledger format, version %d\n", ledger.FormatVersion), fmt.Sprintf("| format | u8 | %d", ledger.FormatVersion)} {
		if !strings.Contains(string(b), want) {
			t.Errorf("docs/formats/ledger.md does not say %q", want)
		}
	}
}

// packageTable writes the layers that have packages, in the order of layers.
func packageTable(t *testing.T) string {
	t.Helper()
	members := map[string][]string{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if l := layerOf(name); l != nil {
			members[l.pkg] = append(members[l.pkg], name)
		}
	}
	var s strings.Builder
	s.WriteString("| package | what it holds | imports |\n|---|---|---|\n")
	for _, l := range layers {
		if len(members[l.pkg]) == 0 {
			continue
		}
		s.WriteString("| `" + l.pkg + "`")
		if base, family := strings.CutSuffix(l.pkg, "/..."); family {
			s.WriteString(": " + strings.Join(below(base, members[l.pkg]), ", "))
		}
		s.WriteString(" | " + l.holds + " | " + strings.Join(l.uses, ", ") + " |\n")
	}
	return s.String()
}

// below are the names of packages of a family, as seen from its folder.
func below(base string, names []string) (list []string) {
	for _, n := range names {
		if n == base {
			n = path.Base(base)
		}
		list = append(list, strings.TrimPrefix(n, base+"/"))
	}
	slices.Sort(list)
	return list
}

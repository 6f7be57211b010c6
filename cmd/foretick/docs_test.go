package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/alecthomas/kong"
)

// What the docs say is held against the program and the repository: docs_run_test.go runs their
// commands.

// doc is a page of the documentation.
type doc struct {
	path   string // in the repository, with slashes
	blocks []text // lines of fenced and indented code
	spans  []text // code in running text
	prose  []text // lines without code blocks
}

// text is a piece of a doc.
type text struct {
	where string // file:line
	s     string
	row   bool // it stands in the first cell of a table's row
}

// repository is the way to the repository's root from this package.
const repository = "../.."

// readDocs reads README.md, ARCHITECTURE.md, CONTRIBUTING.md and all of docs.
func readDocs(t *testing.T) []doc {
	t.Helper()
	paths := []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"}
	err := fs.WalkDir(os.DirFS(repository), "docs", func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".md") {
			paths = append(paths, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var docs []doc
	for _, p := range paths {
		b, err := os.ReadFile(filepath.Join(repository, p))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, readDoc(p, string(b)))
	}
	return docs
}

var (
	span     = regexp.MustCompile("`([^`]+)`")
	listItem = regexp.MustCompile(`^ *([-*]|\d+\.) `)
)

// readDoc takes a page apart. Of Markdown it knows what our pages use.
func readDoc(path, s string) doc {
	d := doc{path: path}
	fenced, blank, inList, code := false, true, false, false
	whole := ""
	for i, line := range strings.Split(s, "\n") {
		where := fmt.Sprintf("%s:%d", path, i+1)
		trimmed := strings.TrimSpace(line)
		indented := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case strings.HasPrefix(trimmed, "```"):
			fenced, whole = !fenced, ""
			continue
		case !fenced && trimmed == "":
			blank = true
			continue
		case !fenced && listItem.MatchString(line):
			inList = true
		case !fenced && indented == 0:
			inList = false
		}
		need := 4
		if inList {
			need = 7
		}
		code = indented >= need && (blank || code)
		blank = false
		if !fenced && !code {
			whole = ""
			d.prose = append(d.prose, text{where: where, s: line})
			cell := strings.Index(line[min(1, len(line)):], "|") + 1
			for _, m := range span.FindAllStringSubmatchIndex(line, -1) {
				d.spans = append(d.spans, text{where, line[m[2]:m[3]], trimmed[0] == '|' && m[1] <= cell})
			}
			continue
		}
		whole += trimmed
		if before, ok := strings.CutSuffix(whole, "\\"); ok {
			whole = before
			continue
		}
		d.blocks = append(d.blocks, text{where: where, s: whole})
		whole = ""
	}
	return d
}

// words splits a line as a shell does, up to its comment; operators are words of their own.
func words(line string) (list []string) {
	var w strings.Builder
	quote, open := rune(0), false
	end := func() {
		if open {
			list = append(list, w.String())
		}
		w.Reset()
		open = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, open = r, true
		case quote != 0:
			w.WriteRune(r)
		case unicode.IsSpace(r):
			end()
		case r == '#' && !open:
			return list
		case strings.ContainsRune(";|&()", r):
			end()
			list = append(list, string(r))
		default:
			w.WriteRune(r)
			open = true
		}
	}
	end()
	return list
}

// commandLine is one command line of foretick in the docs.
type commandLine struct {
	where string
	args  []string
	named bool // it stands in running text, where it may be named without what it needs
}

func (c commandLine) String() string { return strings.Join(c.args, " ") }

// commandsOf finds the commands of foretick in a doc.
func commandsOf(d doc, model *kong.Application) (list []commandLine) {
	for _, b := range d.blocks {
		for _, args := range inLine(words(b.s), model) {
			list = append(list, commandLine{b.where, args, slices.Contains(args, "...")})
		}
	}
	var row string
	var before []string
	for _, s := range d.spans {
		w := words(s.s)
		found := inLine(w, model)
		if len(found) == 0 && s.row && row == s.where && len(w) > 0 {
			// `foretick ledger verify`, `show`: another command of the same group, or of foretick.
			if group := before[:len(before)-1]; child(descend(model.Node, group), w[0]) != nil {
				found = [][]string{append(slices.Clone(group), w...)}
			} else if child(model.Node, w[0]) != nil {
				found = [][]string{w}
			}
		}
		for _, args := range found {
			list = append(list, commandLine{s.where, args, true})
			row, before = s.where, commandPath(model.Node, args)
		}
	}
	return list
}

// inLine finds what follows the word foretick where it is a command, not a name.
func inLine(w []string, model *kong.Application) (found [][]string) {
	for i := 0; i < len(w); i++ {
		name := strings.TrimSuffix(path.Base(strings.TrimPrefix(w[i], "ExecStart=")), ".exe")
		if name != "foretick" || i+1 == len(w) {
			continue
		}
		first := i == 0 || slices.Contains([]string{"&", "|", ";", "(", "--", "sudo", "exec"}, w[i-1]) || strings.Contains(w[i-1], "=") || strings.HasPrefix(w[i], "ExecStart=")
		lower := unicode.IsLower(rune(w[i+1][0])) || w[i+1][0] == '-' && w[i+1] != "--"
		if !(first && lower) && child(model.Node, w[i+1]) == nil {
			continue
		}
		end := i + 1
		for end < len(w) && !(len(w[end]) == 1 && strings.Contains(";|&()", w[end])) {
			end++
		}
		found = append(found, w[i+1:end])
		i = end
	}
	return found
}

func child(n *kong.Node, name string) *kong.Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func descend(n *kong.Node, names []string) *kong.Node {
	for _, name := range names {
		n = child(n, name)
	}
	return n
}

// commandPath is the words of args that name the command.
func commandPath(n *kong.Node, args []string) (names []string) {
	for _, a := range args {
		if n = child(n, a); n == nil {
			break
		}
		names = append(names, a)
	}
	return names
}

// TestDocsNameWhatIsThere looks for the make targets, paths and links of the docs.
func TestDocsNameWhatIsThere(t *testing.T) {
	docs := readDocs(t)
	made, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`).FindAllStringSubmatch(string(made), -1) {
		targets[m[1]] = true
	}
	anchors := map[string]map[string]bool{}
	for _, d := range docs {
		anchors[d.path] = anchorsOf(d)
	}
	n := map[string]int{}
	for _, d := range docs {
		for _, b := range slices.Concat(d.blocks, d.spans) {
			w := words(b.s)
			for i, word := range w {
				if word == "make" && (i == 0 || w[i-1] == "&") {
					for _, target := range w[i+1:] {
						if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(target) {
							break
						}
						n["targets"]++
						if !targets[target] {
							t.Errorf("%s: the Makefile has no target %q", b.where, target)
						}
					}
				}
				if at, ok := inRepository(word); ok {
					n["paths"]++
					for _, at := range alternatives(at) {
						if found, err := filepath.Glob(filepath.Join(repository, at)); err != nil || len(found) == 0 {
							t.Errorf("%s: the repository has no %s", b.where, at)
						}
					}
				}
			}
		}
		for _, l := range d.prose {
			for _, m := range link.FindAllStringSubmatch(span.ReplaceAllString(l.s, ""), -1) {
				if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
					continue
				}
				n["links"]++
				file, anchor, anchored := strings.Cut(m[1], "#")
				to := d.path
				if file != "" {
					to = path.Join(path.Dir(d.path), file)
				}
				if _, err := os.Stat(filepath.Join(repository, to)); err != nil {
					t.Errorf("%s: the link to %s leads nowhere", l.where, m[1])
				} else if anchored && anchors[to] != nil && !anchors[to][anchor] {
					t.Errorf("%s: %s has no heading #%s", l.where, to, anchor)
				}
			}
		}
	}
	for _, what := range []string{"targets", "paths", "links"} {
		if n[what] < 10 {
			t.Errorf("only %d %s were found: this test does not read the docs any more", n[what], what)
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`^#+ +(.*)$`)
	// placeholder is a part of a path for which the reader puts something else.
	placeholder = regexp.MustCompile(`[A-Z]{4,}`)
)

// anchorsOf are the anchors of a page's headings, as GitHub makes them.
func anchorsOf(d doc) map[string]bool {
	list := map[string]bool{}
	for _, l := range d.prose {
		m := heading.FindStringSubmatch(l.s)
		if m == nil {
			continue
		}
		var b strings.Builder
		for _, r := range strings.ToLower(strings.TrimSpace(m[1])) {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				b.WriteRune(r)
			case r == ' ':
				b.WriteByte('-')
			}
		}
		name := b.String()
		for i := 1; list[name]; i++ {
			name = fmt.Sprintf("%s-%d", b.String(), i)
		}
		list[name] = true
	}
	return list
}

// inRepository turns a word that names a path of the repository into a pattern for it.
func inRepository(word string) (pattern string, ok bool) {
	word = strings.TrimRight(strings.TrimPrefix(word, "./"), ".,:]}")
	top, rest, below := strings.Cut(word, "/")
	if !below || !slices.Contains([]string{"cmd", "deploy", "docs", "forecast", "internal", "ledger", "market", "score", "tools", "track", "web"}, top) {
		return "", false
	}
	for _, built := range []string{"web/dist", "web/node_modules", "deploy/compose/secrets"} {
		if strings.HasPrefix(word, built) {
			return "", false
		}
	}
	word = top + "/" + strings.TrimSuffix(rest, "...")
	if name, line, ok := strings.Cut(word, ":"); ok && line != "" {
		word = name
	}
	return placeholder.ReplaceAllString(word, "*"), true
}

// alternatives writes out a path with {a,b} in it.
func alternatives(s string) []string {
	before, rest, ok := strings.Cut(s, "{")
	inside, after, closed := strings.Cut(rest, "}")
	if !ok || !closed {
		return []string{s}
	}
	var list []string
	for _, part := range strings.Split(inside, ",") {
		list = append(list, before+part+after)
	}
	return list
}

// TestReadDoc shows what is taken for code and for a command.
func TestReadDoc(t *testing.T) {
	model := grammar(t, new(cli)).Model
	for page, want := range map[string][]string{
		"```\nmake run && bin/foretick serve --speed 60 # at once\n```":                                 {"serve --speed 60"},
		"Say:\n\n    foretick db \\\n      status | cat\n":                                              {"db status"},
		"1. Do:\n\n       FORETICK_DATA=d foretick doctor\n":                                            {"doctor"},
		"1. Say it\n    foretick doctor, in words\n":                                                    nil,
		"| `foretick ledger verify`, `show --last 3` | `export` |":                                      {"ledger verify", "ledger show --last 3"},
		"| `foretick backup`, `restore` |":                                                              {"backup", "restore"},
		"`kubectl exec statefulset/foretick -- /foretick nonsense` and `helm install foretick ./chart`": {"nonsense"},
		"The `foretick` of `CREATE ROLE foretick LOGIN`":                                                nil,
	} {
		var got []string
		for _, c := range commandsOf(readDoc("x.md", page), model) {
			got = append(got, c.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("in %q are %q, want %q", page, got, want)
		}
	}
}

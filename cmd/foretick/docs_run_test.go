package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/foretick/foretick/internal/testdata"
)

// docRuns are the commands of the docs that are run, in this order, in a folder that holds the files
// that they name; with what is run in their place where they cannot be run as they stand.
var docRuns = []struct{ line, instead string }{
	{"version", ""},
	{"feeds list", ""},
	{"doctor", ""},
	{"doctor --bundle foretick.zip", ""},
	{"db status", ""},
	{"db migrate", ""},
	{"db check", ""},
	{"ledger verify", ""},
	{"ledger verify --inputs", ""},
	{"ledger inputs sim:AMZN@1s 4711", "ledger inputs sim:AMZN@1s 2"},
	{"ledger inputs SERIES ENTRY", "ledger inputs sim:AMZN@1s 2"},
	{"export --what all --format parquet --out archive/", ""},
	{"export --what all --format parquet --out DIR/", "export --what all --format csv --out out/csv/"},
	{"export --what all --format parquet --out out/parquet/", "export --what all --format jsonl --out out/jsonl/"},
	{"export --format csv --from 2024-03-01 --to 2024-04-01 --out march.csv sim:AMZN@1m", ""},
	{"import --data elsewhere --file archive", ""},
	{"import --file F", "import --data elsewhere --file FILE.csv"},
	{"import --actions apple.csv --instrument alpaca:AAPL", ""},
	{"import --actions FILE", "import --actions apple.csv --instrument file:AAPL"},
	{"replay --file F", "replay --file FILE.csv"},
	{"backtest --file F --json OUT --html OUT", "backtest --file FILE.csv --burn-in 150 --models naive,ewma --json out.json --html out.html"},
	{"predict --prices 120,121.4,126.9,128.0,127.8,129.1,130.1", ""},
	{"models import --name original --pth lstm_model.pth --hyper lstm_model_hyper_param.json --x-scaler X_scaler.pkl --y-scaler y_scaler.pkl", ""},
	{"predict --model original --prices 120,121.4,126.9,128.0,127.8,129.1,130.1", ""},
	{"models list", ""},
	{"models show NAME [ID]", "models show original"},
	{"models export NAME [ID]", "models export original --out original.safetensors"},
	{"models import --file F", "models import --file original.safetensors"},
	{"backup --data data --out /backups/", ""},
	{"backup --data data --out /backups/a.db", ""},
	{"backup --data /var/lib/foretick --out /var/backups/foretick/ --keep 14", ""},
	{"restore --from /backups/a.db --data data", "restore --from /backups/a.db --data restored"},
	{"ledger verify --data /var/lib/foretick", ""},
	{"ledger verify --file F", "ledger verify --file ledger.jsonl"},
	{"db copy --from sqlite:data --to postgres://foretick@db/foretick", "db copy --from sqlite:data --to sqlite:copied"},
}

// docReasons say why commands of the docs are only read, not run. The longest beginning of a line counts.
var docReasons = map[string]string{
	"serve":                                "runs until it is stopped: process tests start it",
	"feeds check":                          "asks a venue",
	"record":                               "asks a venue",
	"healthy":                              "asks a Foretick that runs: TestReadersAndTakeover",
	"bench":                                "takes minutes over a folder of real data: internal/app tests it",
	"train":                                "takes minutes: train.txtar",
	"models delete":                        "needs the number of a version: models.txtar",
	"backtest --models naive,auto,lstm":    "needs a trained network: train_test.go",
	"backtest --models naive,ewma":         "is the same over thousands of bars",
	"backtest --series S":                  "is the same on a stored series: backtest.txtar",
	"backtest --onnx":                      "needs a build with the tag onnx: make test-onnx",
	"db check --store $FORETICK_STORE":     "needs a PostgreSQL database: db.txtar",
	"backup --out /data/backups/ --keep 3": "is the same in a cluster",
	"export --format parquet":              "is the same to standard output",
	"export --what all":                    "is the same to standard output",
	"export --what ticks":                  "is the same to standard output",
}

// docTagged are commands of the docs that only programs built with a tag know.
var docTagged = map[string]string{"--onnx-runtime": "onnx"}

// docWords are placeholders of the docs where the program wants a number.
var docWords = map[string]string{"ENTRY": "2"}

// grammar is the command line as main reads it.
func grammar(t *testing.T, c *cli) *kong.Kong {
	t.Helper()
	parser, err := newParser(c, io.Discard, io.Discard, func(int) { panic(exitPanic{}) })
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// parse reads args without running anything.
func parse(t *testing.T, args []string) (err error) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			if _, help := p.(exitPanic); !help {
				panic(p)
			}
		}
	}()
	_, err = grammar(t, new(cli)).Parse(args)
	return err
}

// TestDocsCommands reads every command line of the docs as the program does, and runs those that can be.
func TestDocsCommands(t *testing.T) {
	if testdata.Race {
		t.Skip("the commands are tested one by one elsewhere: runs without the race detector")
	}
	docs := readDocs(t)
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "FORETICK_") && name != "FORETICK_SHARED" {
			t.Setenv(name, "") // it goes back to what it was
			os.Unsetenv(name)
		}
	}
	work := docFolder(t)
	// What is the root of a file system to the docs is a folder here.
	here := func(args []string) []string {
		args = slices.Clone(args)
		for i, a := range args {
			if word := docWords[a]; word != "" {
				args[i] = word
			}
			if strings.HasPrefix(a, "/") {
				args[i] = work + a
			}
		}
		return slices.DeleteFunc(args, func(a string) bool { return a == "..." })
	}
	model := grammar(t, new(cli)).Model
	lines, helped := map[string]bool{}, map[string]bool{}
	for _, d := range docs {
		for _, c := range commandsOf(d, model) {
			if slices.ContainsFunc(c.args, func(a string) bool { return docTagged[a] != "" }) {
				continue
			}
			err := parse(t, here(c.args))
			if err != nil && c.named && (strings.HasPrefix(err.Error(), "missing flags") || strings.HasPrefix(err.Error(), "expected ")) {
				err = nil // it is named, without what it needs
			} else if err == nil {
				lines[c.String()] = true
			}
			if err != nil {
				t.Errorf("%s: foretick %s: %v", c.where, c, err)
				continue
			}
			if name := commandPath(model.Node, c.args); !helped[strings.Join(name, " ")] {
				helped[strings.Join(name, " ")] = true
				if status := run(t.Context(), append(name, "--help"), io.Discard, io.Discard); status != 0 {
					t.Errorf("foretick %v --help: status %d", name, status)
				}
			}
			if !lines[c.String()] {
				continue
			}
			if c.named && len(commandPath(model.Node, c.args)) == len(c.args) || slices.Contains(c.args, "...") {
				continue
			}
			ran := slices.ContainsFunc(docRuns, func(r struct{ line, instead string }) bool { return r.line == c.String() })
			_, told := reason(c.String())
			if !ran && !told && !strings.HasSuffix(c.String(), "--help") {
				t.Errorf("%s: foretick %s: run it in docRuns, or say in docReasons why not", c.where, c)
			}
		}
	}
	for beginning := range docReasons {
		used := false
		for line := range lines {
			b, _ := reason(line)
			used = used || b == beginning
		}
		if !used {
			t.Errorf("docReasons: no doc has a command foretick %s any more", beginning)
		}
	}
	if err := os.Remove("backups/a.db"); err != nil { // it had to be there for restore to be read
		t.Fatal(err)
	}
	for _, r := range docRuns {
		if !lines[r.line] {
			t.Errorf("docRuns: no doc has the command foretick %s any more", r.line)
			continue
		}
		args := words(r.line)
		if r.instead != "" {
			args = words(r.instead)
		}
		var out bytes.Buffer
		if status := run(t.Context(), here(args), &out, &out); status != 0 {
			t.Errorf("foretick %v: status %d\n%s", args, status, out.String())
		}
	}
}

// reason finds why a line is not run.
func reason(line string) (beginning string, ok bool) {
	for b := range docReasons {
		if (line == b || strings.HasPrefix(line, b+" ") || strings.HasPrefix(line, b+",")) && len(b) > len(beginning) {
			beginning, ok = b, true
		}
	}
	return beginning, ok
}

// docFolder makes the files that commands of the docs name, and a database in its folder data, and
// goes there.
func docFolder(t *testing.T) string {
	t.Helper()
	work := t.TempDir()
	p := start(t, "--data", filepath.Join(work, "data"))
	n := 0
	p.watch(t.Context(), "", func(e event) bool {
		if e.name == "score" {
			n++
		}
		return n < 2
	})
	stop(t, p)
	write := func(name string, b []byte) {
		t.Helper()
		path := filepath.Join(work, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(path string) []byte {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bars := read(minutes(t, 300))
	for _, name := range []string{"FILE.csv", "AAPL.csv", "F", "peers_dev.csv", "FILE", "DIR/A.csv", "DAILY/A.csv", "DATA/A.csv"} {
		write(name, bars)
	}
	write("apple.csv", []byte("ex,kind,value\n2014-06-09,split,7:1\n"))
	write("foretick.yaml", []byte("instrument: [kraken:BTC/USD@1m]\n"))
	for _, name := range []string{"recordings/kraken-20261123T120000.000.frames.gz", "mine.onnx", "usr/lib/libonnxruntime.so"} {
		write(name, nil) // only their names are read
	}
	for _, name := range []string{"lstm_model.pth", "lstm_model_hyper_param.json", "X_scaler.pkl", "y_scaler.pkl"} {
		write(name, read(testdata.Network(t, name)))
	}
	t.Chdir(work)
	t.Setenv("FORETICK_ADDR", "127.0.0.1:0") // doctor asks whether it is free
	var out bytes.Buffer
	for _, args := range [][]string{
		{"ledger", "export", "--data", "data", "--out", "ledger.jsonl", series},
		{"backup", "--data", "data", "--out", "backups/a.db"},
		{"restore", "--from", "backups/a.db", "--data", "var/lib/foretick"},
	} {
		if status := run(t.Context(), args, &out, &out); status != 0 {
			t.Fatalf("foretick %v: status %d\n%s", args, status, out.String())
		}
	}
	return work
}

// Package testdata finds the market data that tests read.
//
// The repository has series of its own under testdata/market, made by a seeded program, and a
// network of its own under testdata/network: every test runs on them. Where there is a folder
// of real market data too, tests run on that as well. FORETICK_SHARED names the folder,
// ../shared is its default. Tests that need real data say so and are skipped where the default
// folder is missing; they fail where FORETICK_SHARED names a folder without data.
package testdata

import (
	"os"
	"path/filepath"
	"testing"
)

// Long is true for make test-long (FORETICK_TEST_LONG is set): nothing is left out or done less.
var Long = os.Getenv("FORETICK_TEST_LONG") != ""

// Race is true in programs that the race detector watches, unless [Long] is. The detector takes
// 5 to 9 times the processor time, so tests of damage and walks over whole laws, which the same
// suite runs without it, do less of the same there, or leave it out.
var Race = raceDetector && !Long

// Market returns the path of a series of the repository's own, such as "daily/STOCK.csv".
func Market(t testing.TB, name string) string {
	t.Helper()
	return own(t, "market", name)
}

// ForModels returns the paths of the series that every model is tried on: a share, an exchange
// rate and hours of a share, and those of a fund where there is real data.
func ForModels(t testing.TB) []string {
	t.Helper()
	list := []string{Market(t, "daily/STOCK.csv"), Market(t, "daily/FX.csv"), Market(t, "intraday/STOCK_1h.csv")}
	if Wide(t) {
		list = append(list, Real(t, "intraday/SPY_1h.csv.gz"))
	}
	return list
}

// Network returns the path of a file of the repository's own recurrent network, such as
// "lstm_model.pth".
func Network(t testing.TB, name string) string {
	t.Helper()
	return own(t, "network", name)
}

// Networks returns the folders of all price networks whose answers are known, each with the
// files of testdata/network: the repository's own and, where there is real data, the original's.
func Networks(t testing.TB) []string {
	t.Helper()
	folders := []string{filepath.Dir(Network(t, "golden.json"))}
	if dir, err := shared(t); err == nil {
		folders = append(folders, filepath.Join(dir, "golden"))
	}
	return folders
}

func own(t testing.TB, folder, name string) string {
	t.Helper()
	path := filepath.Join(root(t), "testdata", folder, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Wide reports whether there is a folder of real data. It fails the test where FORETICK_SHARED
// names one that has none.
func Wide(t testing.TB) bool {
	t.Helper()
	_, err := shared(t)
	return err == nil
}

// SkipRaced skips a test where the race detector watches, and says why it would see nothing new.
func SkipRaced(t testing.TB, why string) {
	t.Helper()
	if Race {
		t.Skip(why + ": runs without the race detector, and with it in make test-long")
	}
}

// Shared returns the folder of real data, which holds data/, golden/ and skill/. It skips the
// test where there is none, and fails it where FORETICK_SHARED names one that has none.
func Shared(t testing.TB) string {
	t.Helper()
	dir, err := shared(t)
	if err != nil {
		t.Skipf("needs real market data: set FORETICK_SHARED to the folder that holds data/ (%v)", err)
	}
	return dir
}

// Real returns the path of a file of real market data, such as "daily/KO.csv". It skips and
// fails as [Shared] does.
func Real(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(Shared(t), "data", filepath.FromSlash(name))
}

func shared(t testing.TB) (string, error) {
	t.Helper()
	dir, named := os.LookupEnv("FORETICK_SHARED")
	if !named || dir == "" {
		dir, named = filepath.Join(root(t), "..", "shared"), false
	}
	_, err := os.Stat(filepath.Join(dir, "data"))
	if err != nil && named {
		t.Fatalf("FORETICK_SHARED names a folder without real market data: %v", err)
	}
	return dir, err
}

func root(t testing.TB) string {
	t.Helper()
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

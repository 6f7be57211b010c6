package testdata

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
)

// Row is a row of a [Table]: its texts by the names of the columns.
type Row map[string]string

// Table reads a file of reference values, CSV with the names of the columns in its first line.
func Table(t testing.TB, path string) []Row {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(lines) < 2 {
		t.Fatalf("%s has no rows", path)
	}
	rows := make([]Row, len(lines)-1)
	for i, line := range lines[1:] {
		rows[i] = Row{}
		for k, name := range lines[0] {
			rows[i][name] = line[k]
		}
	}
	return rows
}

// Number is the number in a column: NaN where R wrote NA.
func (r Row) Number(t testing.TB, column string) float64 {
	t.Helper()
	text, ok := r[column]
	if !ok {
		t.Fatalf("there is no column %q", column)
	}
	if text == "NA" {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("column %q: %v", column, err)
	}
	return v
}

//go:build race

package testdata

// Race is true in programs that the race detector watches. They take 5 to 9 times the
// processor time, so tests of damage and whole walks do less of the same there, or nothing.
const Race = true

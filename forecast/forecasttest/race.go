//go:build race

package forecasttest

// raced says that the race detector watches.
const raced = true

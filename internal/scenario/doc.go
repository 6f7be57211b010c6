// Package scenario is a small language for "bars in, ledger out". A scenario is a text
// file that a quant can read and write: it says which bars come, and what the track must
// make of them, with the arithmetic in its comment. README.md documents the language,
// testdata holds the scenarios, and the tests of this package run them, without a clock
// and without a network.
package scenario

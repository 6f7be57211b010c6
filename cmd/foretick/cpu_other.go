//go:build !unix

package main

// processorSeconds is the processor time that the program has used; ok false where the
// system does not tell.
func processorSeconds() (seconds float64, ok bool) { return 0, false }

//go:build unix

package main

import "syscall"

// processorSeconds is the processor time that the program has used; ok false where the
// system does not tell.
func processorSeconds() (seconds float64, ok bool) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, false
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9, true
}

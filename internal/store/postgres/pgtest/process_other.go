//go:build !linux

package pgtest

import "syscall"

// process is how a program of PostgreSQL runs. Only Linux runs it as another account.
func (a *account) process() *syscall.SysProcAttr { return nil }

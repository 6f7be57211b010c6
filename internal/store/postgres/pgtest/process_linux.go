package pgtest

import "syscall"

// process is how a program of PostgreSQL runs: as the account, and never longer than the tests.
func (a *account) process() *syscall.SysProcAttr {
	p := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if a != nil {
		p.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return p
}

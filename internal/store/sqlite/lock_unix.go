//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockFile holds the folder for this process. The kernel gives it up when the
// process ends, however it ends, so a stale file locks nobody out.
type lockFile struct{ f *os.File }

func takeLock(dir string) (*lockFile, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = lockedBy(dir, f)
	} else if err != nil {
		err = notWritable(dir, fmt.Errorf("lock %s: %w", path, err))
	} else if err = writePID(f); err != nil {
		err = notWritable(dir, err)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &lockFile{f}, nil
}

func (l *lockFile) release() error { return l.f.Close() }

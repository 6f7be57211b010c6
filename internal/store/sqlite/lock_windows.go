package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// lockFile holds the folder for this process. Windows gives it up when the process
// ends, however it ends.
type lockFile struct{ f *os.File }

func takeLock(dir string) (*lockFile, error) {
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	// A locked stretch cannot be read, so the lock stands behind the PID.
	far := &windows.Overlapped{Offset: 1 << 30}
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, far)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
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

//go:build unix

package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/foretick/foretick/internal/store"
)

// lockFile holds the folder for this process. The kernel gives it up when the
// process ends, however it ends, so a stale file locks nobody out.
type lockFile struct{ f *os.File }

func takeLock(dir string) (*lockFile, error) {
	path := filepath.Join(dir, "foretick.lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritable(dir, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, notWritable(dir, fmt.Errorf("lock %s: %w", path, err))
		}
		holder := "another process"
		if b, err := io.ReadAll(io.LimitReader(f, 32)); err == nil {
			if pid, err := strconv.Atoi(string(bytes.TrimSpace(b))); err == nil {
				holder = fmt.Sprintf("the process with PID %d", pid)
			}
		}
		return nil, fmt.Errorf("%w: data folder %s is used by %s; stop it, or choose another folder with --data", store.ErrLocked, dir, holder)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(notWritable(dir, err), f.Close())
	}
	return &lockFile{f}, nil
}

func (l *lockFile) release() error { return l.f.Close() }

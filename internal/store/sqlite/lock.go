package sqlite

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/foretick/foretick/internal/store"
)

// lockName is the file whose lock a process holds while it has the folder open. It
// stays when the process ends; it holds the PID for people to read.
const lockName = "foretick.lock"

// lockedBy says who has the folder.
func lockedBy(dir string, f *os.File) error {
	holder := "another process"
	if b, err := io.ReadAll(io.LimitReader(f, 32)); err == nil {
		if pid, err := strconv.Atoi(string(bytes.TrimSpace(b))); err == nil {
			holder = fmt.Sprintf("the process with PID %d", pid)
		}
	}
	return fmt.Errorf("%w: data folder %s is used by %s; stop it, or choose another folder with --data", store.ErrLocked, dir, holder)
}

func writePID(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
)

// BackupOptions say how a database is copied.
type BackupOptions struct {
	// Replace lets the file or the database that is there give way.
	Replace bool
	// Verify looks at the copy before it gets its name; an error is the end of it.
	Verify func(context.Context, store.Store) error
	// Progress, when not nil, is told how many of the pages are copied.
	Progress func(done, total int)

	schema schema // nil: this program's
}

// copyStep is the number of pages that are copied between two looks at the context.
const copyStep = 256

// Backup writes the database in the folder dir, as it is now, to the file path, beside the
// process that may be writing to it. What it copies is one state of the database; writes
// go on meanwhile, into the log, which grows until the copy is done. The file gets its name when it is
// whole, verified and on the disk: a process that is killed leaves no half of it, only a
// folder .NAME.partial beside it, which the next backup removes.
//
// The error wraps store.ErrNotFound when there is no database, fs.ErrExist when path is
// taken, and store.ErrLocked when another process writes the same backup.
func Backup(ctx context.Context, dir, path string, opt BackupOptions) (err error) {
	from := filepath.Join(dir, File)
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("%w: %w", store.ErrNotFound, err)
	}
	if err := free(path, opt.Replace); err != nil {
		return err
	}
	tmp, err := partial(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tmp.remove()) }()
	s := &Store{dir: dir}
	if err := copyPages(ctx, from, sqlite.OpenReadWrite, tmp.file(), opt.Progress); err != nil {
		return s.wrap("back up "+from, err)
	}
	if err := verifyCopy(ctx, tmp, opt); err != nil {
		return err
	}
	// A backup is one file, whatever reads it.
	if err := onFile(tmp.file(), "PRAGMA journal_mode=DELETE"); err != nil {
		return s.wrap("finish "+path, err)
	}
	if err := free(path, opt.Replace); err != nil { // it may have come meanwhile
		return err
	}
	return publish(tmp.file(), path)
}

// Restore puts the database in the file from into the folder dir. It is checked, brought up
// to the newest schema and verified first, beside its place; a database that is there
// gives way only with opt.Replace, and is kept in the folder aside below dir. The restored
// database gets an epoch of its own: it may go on otherwise than the one that it was copied
// from, and who followed that one must notice.
//
// The error wraps store.ErrLocked when a process uses the folder, whatever opt says, and
// fs.ErrExist when it holds a database already.
func Restore(ctx context.Context, from, dir, aside string, opt BackupOptions) (err error) {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return notWritable(dir, err)
	}
	lock, err := takeLock(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	path := filepath.Join(dir, File)
	if err := free(path, opt.Replace); err != nil {
		return err
	}
	tmp, err := partial(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tmp.remove()) }()
	s := &Store{dir: filepath.Dir(from)}
	if err := copyPages(ctx, from, sqlite.OpenReadOnly, tmp.file(), opt.Progress); err != nil {
		return s.wrap("read "+from, err)
	}
	if err := tmp.lock.release(); err != nil { // Open takes it
		return err
	}
	restored, err := Open(ctx, tmp.dir, Options{schema: opt.schema})
	if err != nil {
		return fmt.Errorf("%s cannot be restored: %w", from, err)
	}
	if opt.Verify != nil {
		err = opt.Verify(ctx, restored)
	}
	if err := errors.Join(err, restored.Close()); err != nil {
		return err
	}
	if err := onFile(tmp.file(), "UPDATE meta SET epoch = '"+newEpoch()+"'"); err != nil {
		return s.wrap("restore "+from, err)
	}
	if err := putAside(dir, filepath.Join(dir, aside)); err != nil {
		return err
	}
	return publish(tmp.file(), path)
}

// verifyCopy has a copy verified. Of another version, as before an upgrade, only the pages can be.
func verifyCopy(ctx context.Context, tmp *partialDir, opt BackupOptions) error {
	reader, err := OpenReader(ctx, tmp.dir, Options{schema: opt.schema})
	if errors.Is(err, store.ErrVersion) {
		return soundPages(tmp.file())
	}
	if err != nil {
		return err
	}
	if opt.Verify != nil {
		err = opt.Verify(ctx, reader)
	}
	return errors.Join(err, reader.Close())
}

func soundPages(path string) (err error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	text, err := sqlitex.ResultText(conn.Prep("PRAGMA integrity_check(1)"))
	if err == nil && text != "ok" {
		err = fmt.Errorf("%w: %s", store.ErrCorrupt, text)
	}
	return err
}

// free refuses a path that is taken, by more than an empty file.
func free(path string, replace bool) error {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && fi.Size() == 0 && !fi.IsDir():
		return nil
	case err != nil:
		return err
	case fi.IsDir():
		return fmt.Errorf("%s is a folder: %w", path, fs.ErrExist)
	case !replace:
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	return nil
}

// putAside keeps a database, and makes room for another, whole: what is in its log goes into it
// first. A damaged one, with which that cannot be done, goes with its log.
func putAside(dir, aside string) error {
	path := filepath.Join(dir, File)
	if fi, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && fi.Size() == 0 {
		// A log without a database would be taken for that of the new one.
		return errors.Join(remove(path+"-wal"), remove(path+"-shm"))
	}
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return notWritable(dir, err)
	}
	_ = onFile(path, sqlTruncate) // it may be damaged: then its log is moved
	// With a second name the old one can be taken over in one step; not every file system
	// has that.
	err := os.Link(path, filepath.Join(aside, File))
	if err != nil {
		err = os.Rename(path, filepath.Join(aside, File))
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if e := os.Rename(path+suffix, filepath.Join(aside, File+suffix)); !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// copyPages copies one state of a database into a new file. The transaction that is held
// open keeps that state, so that nothing is copied twice however much is written meanwhile.
func copyPages(ctx context.Context, from string, how sqlite.OpenFlags, to string, progress func(done, total int)) (err error) {
	src, err := sqlite.OpenConn(from, how)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	src.SetBusyTimeout(busyTimeout)
	dst, err := sqlite.OpenConn(to, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	if err := os.Chmod(to, 0o600); err != nil {
		return err
	}
	for _, p := range []string{"PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF"} { // it is nothing until it is whole
		if err := sqlitex.ExecuteTransient(dst, p, nil); err != nil {
			return err
		}
	}
	for _, q := range []string{"PRAGMA wal_autocheckpoint=0", "BEGIN", "SELECT count(*) FROM sqlite_schema"} {
		if err := sqlitex.ExecuteTransient(src, q, nil); err != nil {
			return err
		}
	}
	b, err := sqlite.NewBackup(dst, "main", src, "main")
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		if err = ctx.Err(); err != nil {
			break
		}
		more, err = b.Step(copyStep)
		if progress != nil && err == nil {
			progress(b.PageCount()-b.Remaining(), b.PageCount())
		}
	}
	return errors.Join(err, b.Close())
}

// onFile runs a statement on a database that nobody else has open.
func onFile(path, query string) error {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	return errors.Join(sqlitex.ExecuteTransient(conn, query, nil), conn.Close())
}

// publish gives a file its name when it is on the disk.
func publish(from, to string) error {
	if err := syncPath(from); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncPath(filepath.Dir(to))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// partialDir is a folder in which a file is made that is to be path.
type partialDir struct {
	dir  string
	lock *lockFile
}

const partialSuffix = ".partial"

// partial makes the folder, and removes those that killed processes have left beside it.
func partial(path string) (*partialDir, error) {
	parent := filepath.Dir(path)
	left, err := filepath.Glob(filepath.Join(parent, ".*"+partialSuffix, lockName))
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		if lock, err := takeLock(filepath.Dir(l)); err == nil {
			_ = os.RemoveAll(filepath.Dir(l)) // it only takes room
			_ = lock.release()
		}
	}
	p := &partialDir{dir: filepath.Join(parent, "."+filepath.Base(path)+partialSuffix)}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, notWritable(parent, err)
	}
	if p.lock, err = takeLock(p.dir); err != nil {
		return nil, err
	}
	return p, remove(p.file())
}

func (p *partialDir) file() string { return filepath.Join(p.dir, File) }

func (p *partialDir) remove() error {
	return errors.Join(os.RemoveAll(p.dir), ignoreClosed(p.lock.release()))
}

// ignoreClosed forgives that a lock was given up before.
func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/audit"
)

// lastBackup is the file in the data folder that says which backup was the last.
const lastBackup = "last-backup.json"

// stamp is the form of times in names of files: it sorts as the times do.
const stamp = "20060102T150405Z"

// errPostgres says how a database of PostgreSQL is backed up.
var errPostgres = errors.New("a PostgreSQL database is backed up by its own programs: pg_dump for one file, pg_basebackup with archived logs for every moment; docs/storage.md has the commands")

// LastBackup is what a finished backup leaves on record in the data folder.
type LastBackup struct {
	File      string    `json:"file"`
	At        time.Time `json:"at"`
	LastEvent uint64    `json:"last_event"`
	Bytes     int64     `json:"bytes"`
}

// BackupOptions say how a backup is made or restored.
type BackupOptions struct {
	Replace  bool // what is there may give way
	Keep     int  // of the backups in a folder, the newest; 0: all
	Now      time.Time
	Progress func(done, total int) // pages; may be nil
	Check    func(store.Fault)     // is told what is wrong with the copy
	Watch    audit.Watch
}

func (o *BackupOptions) catalog() catalog.BackupOptions {
	return catalog.BackupOptions{Replace: o.Replace, Progress: o.Progress, Verify: func(ctx context.Context, st store.Store) error {
		faults := 0
		_, err := audit.Run(ctx, st, func(f store.Fault) { faults++; o.Check(f) }, o.Watch)
		if err == nil && faults > 0 {
			err = fmt.Errorf("%w: the copy is not sound, as said above, and was given up; foretick db check tells of the database itself", store.ErrCorrupt)
		}
		return err
	}}
}

// Backup copies the database to a file, or into a folder under a name with the time, and
// returns what it wrote. It may be used by a running Foretick. Old backups in the folder
// are deleted when opt.Keep says so, once the new one is whole. forgotten are their names.
func (p Place) Backup(ctx context.Context, out string, opt BackupOptions) (last LastBackup, forgotten []string, err error) {
	if p.Store != "" {
		return last, nil, errPostgres
	}
	folder := isFolder(out)
	path := out
	if folder {
		if err := os.MkdirAll(out, 0o700); err != nil {
			return last, nil, err
		}
		path = filepath.Join(out, "foretick-"+opt.Now.UTC().Format(stamp)+".db")
	}
	if err := p.mayHold(path); err != nil {
		return last, nil, err
	}
	to := opt.catalog()
	verify := to.Verify
	to.Verify = func(ctx context.Context, st store.Store) error {
		n, err := st.LastEvent(ctx)
		last.LastEvent = n
		return errors.Join(err, verify(ctx, st))
	}
	err = catalog.Backup(ctx, p.Data, path, to)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return last, nil, fmt.Errorf("there is no database in %s to back up", p.Data)
	case errors.Is(err, fs.ErrExist):
		return last, nil, fmt.Errorf("--out: %w; choose another name, a folder, or --force", err)
	case err != nil:
		return last, nil, err
	}
	last.File, last.At = path, opt.Now.UTC().Truncate(time.Second)
	if fi, err := os.Stat(path); err == nil {
		last.Bytes = fi.Size()
	}
	if folder && opt.Keep > 0 {
		forgotten, err = forget(out, opt.Keep)
	}
	return last, forgotten, errors.Join(err, p.note(last))
}

// isFolder reports whether out names a folder: it is one, or ends as one.
func isFolder(out string) bool {
	fi, err := os.Stat(out)
	return err == nil && fi.IsDir() || os.IsPathSeparator(out[len(out)-1])
}

// mayHold refuses to write over the database itself.
func (p Place) mayHold(path string) error {
	live, err := os.Stat(filepath.Join(p.Data, DatabaseFile))
	if err != nil {
		return nil // it is missing: that is said later
	}
	if fi, err := os.Stat(path); err == nil && os.SameFile(fi, live) {
		return fmt.Errorf("--out: %s is the database itself; choose another file", path)
	}
	return nil
}

// forget deletes all but the newest backups of a folder.
func forget(folder string, keep int) (gone []string, err error) {
	list, err := filepath.Glob(filepath.Join(folder, "foretick-????????T??????Z.db"))
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	for _, path := range list[:max(0, len(list)-keep)] {
		if e := os.Remove(path); e != nil {
			err = errors.Join(err, e)
			continue
		}
		gone = append(gone, path)
	}
	return gone, err
}

// note keeps on record what was written.
func (p Place) note(last LastBackup) error {
	if abs, err := filepath.Abs(last.File); err == nil {
		last.File = abs
	}
	b, err := json.MarshalIndent(last, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.Data, lastBackup), append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("the backup is whole, but could not be put on record for foretick doctor: %w", err)
	}
	return nil
}

// LastBackup is the last backup of the database; ok is false when none is on record.
func (p Place) LastBackup() (last LastBackup, ok bool) {
	b, err := os.ReadFile(filepath.Join(p.Data, lastBackup))
	return last, p.Store == "" && err == nil && json.Unmarshal(b, &last) == nil
}

// Restore puts the database of a backup into the data folder. A database that is there is
// kept in the folder below it whose name is returned.
func (p Place) Restore(ctx context.Context, from string, opt BackupOptions) (aside string, err error) {
	if p.Store != "" {
		return "", errors.New("a PostgreSQL database is restored by its own programs: pg_restore or psql for what pg_dump wrote; docs/storage.md has the commands")
	}
	aside = "replaced-" + opt.Now.UTC().Format(stamp)
	err = catalog.Restore(ctx, from, p.Data, aside, opt.catalog())
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%w: the folder holds a database already; choose another folder with --data, or --force to put that one aside", err)
	}
	if err != nil {
		return "", err
	}
	aside = filepath.Join(p.Data, aside)
	if _, err := os.Stat(aside); err != nil {
		aside = ""
	}
	return aside, nil
}

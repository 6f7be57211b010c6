package app

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/foretick/foretick/internal/archive"
)

// SortFiles tells the files of archives from files that were recorded elsewhere. Those of an
// archive are a folder with a manifest, what a manifest names, Parquet, and JSON lines; they
// come back in the order in which they are imported: by kind.
func SortFiles(paths []string) (archived []archive.File, recorded []string, err error) {
	for _, path := range paths {
		files, err := archive.Find(path)
		if err != nil {
			return nil, nil, err
		}
		if len(files) == 1 && files[0].Entry == nil {
			alone, err := isArchived(path)
			if err != nil {
				return nil, nil, err
			}
			if !alone {
				recorded = append(recorded, path)
				continue
			}
		}
		archived = append(archived, files...)
	}
	kind := func(f archive.File) int {
		if f.Entry == nil {
			return -1 // its metadata is in it; whoever names it gives the order
		}
		return slices.Index(archive.Kinds, f.Entry.Kind)
	}
	slices.SortStableFunc(archived, func(a, b archive.File) int { return cmp.Compare(kind(a), kind(b)) })
	return archived, recorded, nil
}

// isArchived reports whether a file that no manifest names is of an archive all the same.
func isArchived(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 4)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	format, err := archive.FormatOf(filepath.Base(path), head[:n])
	return err == nil && format != archive.CSV || filepath.Ext(path) == ".parquet", nil
}

// OpenArchived opens a file of an archive. Its owner closes the second result.
func OpenArchived(f archive.File) (*archive.Input, io.Closer, error) {
	if err := f.Verify(); err != nil {
		return nil, nil, err
	}
	file, err := os.Open(f.Path)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "import", Path: f.Path, Err: errors.New("it is not a regular file")}
	}
	var in *archive.Input
	if err == nil {
		var meta *archive.Meta
		if f.Entry != nil {
			meta = &f.Entry.Meta
		}
		in, err = archive.Open(file, filepath.Base(f.Path), info.Size(), meta)
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return in, file, nil
}

package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/foretick/foretick/market"
)

// ManifestName is the manifest of a folder. That of a single file has the file's name and
// ManifestSuffix.
const (
	ManifestName   = "manifest.json"
	ManifestSuffix = ".manifest.json"
	maxManifest    = 64 << 20
)

// Manifest lists the files of an archive. It says what text files are of, and what has
// changed since.
type Manifest struct {
	Schema    int     `json:"schema"`
	CreatedBy string  `json:"created_by"`
	Files     []Entry `json:"files"`
}

// Entry is a file of a manifest.
type Entry struct {
	Name   string `json:"name"` // in the manifest's folder
	Format Format `json:"format"`
	Rows   int64  `json:"rows"`
	// Entries is the number of sealed entries of a ledger, 0 for other kinds.
	Entries int64  `json:"entries,omitempty"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`
	Meta
}

// WriteManifest writes m to path.
func WriteManifest(path string, m *Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	_, _, err = WriteFile(path, func(w io.Writer) error { _, err := w.Write(append(b, '\n')); return err })
	return err
}

// ReadManifest reads the manifest at path.
func ReadManifest(path string) (*Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxManifest {
		return nil, fmt.Errorf("%w: %s", ErrTooLarge, path)
	}
	m, err := ParseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ParseManifest reads a manifest. No file of it is outside its folder.
func ParseManifest(b []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%w: it is no manifest: %w", ErrFormat, err)
	}
	if m.Schema != Schema {
		return nil, fmt.Errorf("%w: the manifest has schema version %d, this program reads %d", ErrFormat, m.Schema, Schema)
	}
	for i := range m.Files {
		e := &m.Files[i]
		if e.Name == "" || e.Name != filepath.Base(e.Name) || e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, `/\`) {
			return nil, fmt.Errorf("%w: the manifest names a file %.100q", ErrFormat, e.Name)
		}
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return &m, nil
}

// WriteFile lets f write a file that stands at path only when it is whole and on the disk: it is
// written under another name, synced and moved. It returns its size and SHA-256.
func WriteFile(path string, f func(io.Writer) error) (size int64, sum string, err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return 0, "", err
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // fails once it has been moved
	out := &counted{w: tmp, sum: sha256.New()}
	err = f(out)
	if err == nil {
		err = tmp.Chmod(0o644)
	}
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return 0, "", fmt.Errorf("write %s: %w", path, err)
	}
	return out.n, hex.EncodeToString(out.sum.Sum(nil)), nil
}

// syncDir makes the names in a folder durable, where the system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync() // not every file system has it for folders
	return d.Close()
}

// counted counts and sums what passes.
type counted struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	c.sum.Write(p[:n])
	return n, err
}

// FileName is the name of a series' file: what not every file system takes is an underscore.
func FileName(id market.SeriesID, k Kind, f Format) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '@', r == '_':
			return r
		}
		return '_'
	}, string(id))
	return plain + "." + string(k) + "." + string(f)
}

// File is a file of an archive that is to be read.
type File struct {
	Path  string
	Entry *Entry // nil: no manifest names it
}

// Find lists the files of an archive: those that the manifest of a folder names, or the one at
// path, with what a manifest beside it says.
func Find(path string) ([]File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		m, err := ReadManifest(filepath.Join(path, ManifestName))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: there is no %s in the folder %s; foretick export --out %s writes one", ErrFormat, ManifestName, path, path)
		}
		if err != nil {
			return nil, err
		}
		var files []File
		for i := range m.Files {
			files = append(files, File{filepath.Join(path, m.Files[i].Name), &m.Files[i]})
		}
		return files, nil
	}
	for _, at := range []string{path + ManifestSuffix, filepath.Join(filepath.Dir(path), ManifestName)} {
		m, err := ReadManifest(at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil && at != path+ManifestSuffix {
			continue // another's manifest.json
		}
		if err != nil {
			return nil, err
		}
		for i := range m.Files {
			if m.Files[i].Name == filepath.Base(path) {
				return []File{{path, &m.Files[i]}}, nil
			}
		}
	}
	return []File{{Path: path}}, nil
}

// Verify reads the file once and compares it with its manifest.
func (f *File) Verify() error {
	if f.Entry == nil {
		return nil
	}
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, in)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != f.Entry.SHA256 || n != f.Entry.Bytes {
		return fmt.Errorf("%w: %s is not the file that its manifest names: it has %d bytes with SHA-256 %s, not %d with %s", ErrFormat, f.Path, n, got, f.Entry.Bytes, f.Entry.SHA256)
	}
	return nil
}

package app

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed/venue"
)

// recordingSuffix ends the names of recordings.
const recordingSuffix = ".frames.gz"

// Recorder keeps what venues send in files of a folder, one for each time that a feed is
// started. It is safe for concurrent use.
type Recorder struct {
	dir string
	now func() time.Time

	mu    sync.Mutex
	files map[string]*recordFile // open, by venue
	err   error
	names []string
	bytes int
}

type recordFile struct {
	f  *os.File
	z  *gzip.Writer
	r  *venue.Recorder
	at time.Time // last flushed
}

// flushEvery is how much of a recording a crash may cost.
const flushEvery = 5 * time.Second

// NewRecorder returns a recorder; the folder is created when it is missing.
func NewRecorder(dir string, now func() time.Time) (*Recorder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return &Recorder{dir: dir, now: now, files: map[string]*recordFile{}}, nil
}

// Tap returns what takes the inputs of a venue.
func (r *Recorder) Tap(name string) func(venue.Input) {
	return func(in venue.Input) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if in.Config != nil {
			r.shut(name)
			r.open(name)
		}
		f := r.files[name]
		if f == nil || r.err != nil {
			return
		}
		f.r.Put(in)
		r.bytes += len(in.Data)
		if now := r.now(); now.Sub(f.at) >= flushEvery {
			f.at = now
			r.err = errors.Join(f.r.Flush(), f.z.Flush())
		}
	}
}

func (r *Recorder) open(name string) {
	path := filepath.Join(r.dir, name+"-"+r.now().UTC().Format("20060102T150405.000")+recordingSuffix)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		r.err = errors.Join(r.err, err)
		return
	}
	z := gzip.NewWriter(f)
	r.files[name] = &recordFile{f: f, z: z, r: venue.NewRecorder(z), at: r.now()}
	r.names = append(r.names, path)
}

func (r *Recorder) shut(name string) {
	f := r.files[name]
	if f == nil {
		return
	}
	delete(r.files, name)
	r.err = errors.Join(r.err, f.r.Flush(), f.z.Close(), f.f.Close())
}

// Close ends all files. The error is the first that kept something from being recorded.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.files {
		r.shut(name)
	}
	if r.err != nil {
		return fmt.Errorf("the recording is not whole: %w", r.err)
	}
	return nil
}

// Files are the paths of all files so far, and the bytes of what was received.
func (r *Recorder) Files() ([]string, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.names, r.bytes
}

// isRecording reports whether a file is called like a recording.
func isRecording(path string) bool { return strings.HasSuffix(path, recordingSuffix) }

// openRecording reads a recording. One that was cut off, because Foretick was killed, is played
// as far as it goes.
func openRecording(path string, speed float64, grace time.Duration, now func() time.Time) (*venue.Recording, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	rec, err := venue.ReadRecording(whole{z}, func(name string) (venue.Adapter, error) { return catalog.NewVenue(name, venue.Setup{}) }, speed, grace, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rec, nil
}

// whole ends a file that was cut off where it was.
type whole struct{ r io.Reader }

func (w whole) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

//go:build onnx

package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// maxFile bounds the size of a file.
const maxFile = 256 << 20

// Open reads the network in the file path and loads ONNX Runtime with the first call: the
// shared library named runtime, or, when that is empty, the first of the usual names that
// the system finds. A process keeps the library it loaded; asking for another is an error.
// Errors about the file wrap ErrFile.
func Open(path, runtime string) (*Model, error) {
	b, err := read(path)
	if err != nil {
		return nil, err
	}
	g, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	sum := sha256.Sum256(b)
	m := &Model{sum: hex.EncodeToString(sum[:])}
	if m.name, err = nameOf(path, g.name); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.shape, err = g.input(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := g.output(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if m.runtime, err = load(runtime); err != nil {
		return nil, err
	}
	s, err := newSession(b, g)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrFile, err)
	}
	if m.shape, err = s.probe(m.shape); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.close())
	}
	m.net = s
	return m, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: %w: it is larger than %d MB", path, ErrFile, maxFile>>20)
	}
	return b, nil
}

// loaded is the runtime of this process, which the binding keeps in globals of its own.
var loaded struct {
	sync.Mutex
	path, version string
}

// usual are the names under which systems know the library.
var usual = []string{"libonnxruntime.so.1", "libonnxruntime.so", "libonnxruntime.dylib", "onnxruntime.dll"}

// load makes sure that the runtime is there and returns its version.
func load(path string) (version string, err error) {
	loaded.Lock()
	defer loaded.Unlock()
	if ort.IsInitialized() {
		if path != "" && path != loaded.path {
			return "", fmt.Errorf("onnx: ONNX Runtime was loaded from %s already; a process cannot have another from %s", loaded.path, path)
		}
		return loaded.version, nil
	}
	try := []string{path}
	if path == "" {
		try = usual
	}
	var errs []error
	for _, p := range try {
		ort.SetSharedLibraryPath(p)
		// Errors come back as errors; nothing else is to be written.
		if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
			errs = append(errs, err)
			continue
		}
		loaded.path, loaded.version = p, ort.GetVersion()
		if err := ort.DisableTelemetry(); err != nil {
			return "", fmt.Errorf("onnx: telemetry of ONNX Runtime cannot be switched off: %w", err)
		}
		return loaded.version, nil
	}
	if path == "" {
		return "", fmt.Errorf("onnx: ONNX Runtime 1.24 or newer was not found under its usual names %v; install it, or name the library with --onnx-runtime: %w", usual, errors.Join(errs...))
	}
	return "", fmt.Errorf("onnx: %s is not ONNX Runtime 1.24 or newer: %w", path, errors.Join(errs...))
}

// session runs a network. ONNX Runtime lets several threads run a session at once on its
// own processor ("Sessions are stateless so you can call Run concurrently",
// github.com/microsoft/onnxruntime/issues/22967; also issues 114 and 21946), so runs only
// keep close away.
type session struct {
	mu      sync.RWMutex
	s       *ort.DynamicAdvancedSession // nil once closed
	in, out ort.Shape
}

var errClosed = errors.New("onnx: the network has been closed")

func newSession(b []byte, g *graph) (s *session, err error) {
	opt, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opt.Destroy()) }()
	err = errors.Join(
		opt.SetIntraOpNumThreads(1),
		opt.SetInterOpNumThreads(1),
		opt.SetExecutionMode(ort.ExecutionModeSequential),
		opt.SetLogSeverityLevel(ort.LoggingLevelFatal))
	if err != nil {
		return nil, err
	}
	d, err := ort.NewDynamicAdvancedSessionWithONNXData(b, []string{g.inputs[0].name}, []string{g.outputs[0].name}, opt)
	if err != nil {
		return nil, err
	}
	return &session{s: d}, nil
}

// probe runs the network twice on made-up returns: it must answer, in a shape that means
// something, and twice the same. The error wraps ErrFile.
func (s *session) probe(sh Shape) (Shape, error) {
	s.in = ort.NewShape(1, int64(sh.Bars))
	if sh.Channels {
		s.in = append(s.in, int64(sh.Inputs))
	}
	in := make([]float32, sh.Bars*sh.Inputs)
	for i := range in {
		in[i] = float32(i*37%101-50) / 50
	}
	dims, first, err := s.first(in)
	if err != nil {
		return sh, fmt.Errorf("%w: it does not run: %w", ErrFile, err)
	}
	if sh, err = sh.answers(dims); err != nil {
		return sh, err
	}
	s.out = dims
	again := make([]float32, len(first))
	if err := s.run(again, in); err != nil {
		return sh, fmt.Errorf("%w: it does not run twice: %w", ErrFile, err)
	}
	same := func(a, b float32) bool { return a == b || a != a && b != b }
	if !slices.EqualFunc(first, again, same) {
		return sh, fmt.Errorf("%w: it answers the same input differently each time", ErrFile)
	}
	return sh, nil
}

// first is a run of which the shape of the output is not known.
func (s *session) first(in []float32) (dims ort.Shape, out []float32, err error) {
	x, err := ort.NewTensor(s.in, in)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, x.Destroy()) }()
	values := []ort.Value{nil}
	if err := s.s.Run([]ort.Value{x}, values); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, values[0].Destroy()) }()
	y, ok := values[0].(*ort.Tensor[float32])
	if !ok {
		return nil, nil, fmt.Errorf("its output is of type %T, not a tensor of float32", values[0])
	}
	return y.GetShape().Clone(), slices.Clone(y.GetData()), nil
}

func (s *session) run(out, in []float32) (err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return errClosed
	}
	x, err := ort.NewTensor(s.in, in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Destroy()) }()
	y, err := ort.NewTensor(s.out, out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, y.Destroy()) }()
	return s.s.Run([]ort.Value{x}, []ort.Value{y})
}

func (s *session) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s == nil {
		return nil
	}
	err := s.s.Destroy()
	s.s = nil
	return err
}

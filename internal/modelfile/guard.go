package modelfile

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
)

// guard is the stream of a pickle on its way to the unpickler. It follows the operations
// as they are read, lets pass only those that it knows, and refuses a length that is beyond
// the bytes that are left before anybody makes room for it. A few bytes of a pickle can ask
// for much, so it counts what they ask for. Frames, which only say how to read ahead, are
// taken out.
type guard struct {
	data []byte
	at   int
	err  error // the first one: from then on the stream is at its end

	ops, objects, builds int
	longest              int // text or bytes in the pickle
	copied               int // at most so many bytes were taken out of the memo

	pending  int // bytes of the operation's argument still to be read
	lines    int // lines of it still to be read
	counting int // the argument is the length of what follows: bytes of that length seen
	length   uint64
	width    int // bytes of the length
}

// Bounds of a pickle. Weights of 10,000 tensors stay below half of each.
const (
	maxOps     = 1 << 20
	maxObjects = 1 << 17  // made, among them lists, marks and calls
	maxBuilds  = 64       // objects that were given a state; each may copy all of it
	maxCopied  = 32 << 20 // bytes of text that the memo repeats; messages and calls may copy them
)

// Operations of pickles by what follows them: pickletools.py of CPython describes each.
const (
	opFrame  = 0x95
	opGlobal = 'c'
)

// fixed are operations with an argument of so many bytes.
var fixed = map[byte]int{
	0x80: 1,                         // PROTO
	'K':  1, 'M': 2, 'J': 4, 'G': 8, // BININT1, BININT2, BININT, BINFLOAT
	'q': 1, 'r': 4, 'h': 1, 'j': 4, 0x94: 0, // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET, MEMOIZE
	'N': 0, 0x88: 0, 0x89: 0, // NONE, NEWTRUE, NEWFALSE
	'(': 0, ')': 0, 't': 0, 0x85: 0, 0x86: 0, 0x87: 0, // MARK, EMPTY_TUPLE, TUPLE, TUPLE1 to TUPLE3
	'}': 0, 's': 0, 'u': 0, // EMPTY_DICT, SETITEM, SETITEMS
	']': 0, 'a': 0, 'e': 0, // EMPTY_LIST, APPEND, APPENDS
	'R': 0, 'b': 0, 0x81: 0, 0x93: 0, 'Q': 0, '.': 0, '0': 0, // REDUCE, BUILD, NEWOBJ, STACK_GLOBAL, BINPERSID, STOP, POP
}

// prefixed are operations whose argument begins with its length in so many bytes.
var prefixed = map[byte]int{
	0x8c: 1, 'X': 4, 0x8d: 8, // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
	'C': 1, 'B': 4, 0x8e: 8, // SHORT_BINBYTES, BINBYTES, BINBYTES8
	'U': 1, 'T': 4, // SHORT_BINSTRING, BINSTRING
	0x8a: 1, // LONG1
	0x96: 8, // BYTEARRAY8
}

// count adds an operation to what was asked for.
func (g *guard) count(op byte) error {
	g.ops++
	switch op {
	case '(', 't', '}', ']', 'R', 0x81:
		g.objects++
	case 'b':
		g.builds++
	case 'h', 'j':
		g.copied += g.longest
	}
	switch {
	case g.ops > maxOps:
		return fmt.Errorf("it has more than %d operations", maxOps)
	case g.objects > maxObjects:
		return fmt.Errorf("it makes more than %d objects", maxObjects)
	case g.builds > maxBuilds:
		return fmt.Errorf("it gives more than %d objects a state", maxBuilds)
	case g.copied > maxCopied:
		return fmt.Errorf("it repeats long texts: more than %d MiB of them", maxCopied>>20)
	}
	return nil
}

// next checks the operation that is about to be read.
func (g *guard) next() error {
	for g.at < len(g.data) && g.data[g.at] == opFrame {
		g.at = min(len(g.data), g.at+9)
	}
	if g.at >= len(g.data) {
		return io.ErrUnexpectedEOF
	}
	op := g.data[g.at]
	if err := g.count(op); err != nil {
		return err
	}
	if op == opGlobal {
		g.pending, g.lines = 1, 2
		return nil
	}
	if n, ok := fixed[op]; ok {
		g.pending = 1 + n
		return nil
	}
	if n, ok := prefixed[op]; ok {
		g.pending, g.counting, g.width, g.length = 1, n, n, 0
		return nil
	}
	return fmt.Errorf("it uses the operation %#x, which weights and scalers do not need", op)
}

// take gives the next n bytes, or fewer at the end of an argument.
func (g *guard) take(p []byte) (int, error) {
	if g.pending == 0 && g.lines == 0 && g.counting == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if g.at >= len(g.data) {
		return 0, io.ErrUnexpectedEOF
	}
	switch {
	case g.pending > 0:
		n := copy(p[:min(len(p), g.pending)], g.data[g.at:])
		g.pending -= n
		g.at += n
		return n, nil
	case g.lines > 0:
		p[0] = g.data[g.at]
		g.at++
		if p[0] == '\n' {
			g.lines--
		}
		return 1, nil
	default:
		p[0] = g.data[g.at]
		g.at++
		g.length |= uint64(p[0]) << (8 * (g.width - g.counting))
		if g.counting--; g.counting == 0 {
			if left := len(g.data) - g.at; g.length > uint64(left) {
				return 0, fmt.Errorf("it announces %d bytes where %d are left", g.length, left)
			}
			g.pending = int(g.length)
			g.longest = max(g.longest, g.pending)
		}
		return 1, nil
	}
}

func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.take(p)
	g.err = err // the unpickler tries again after an error
	return n, err
}

// ReadByte is Read of one byte.
func (g *guard) ReadByte() (byte, error) {
	var b [1]byte
	_, err := g.Read(b[:])
	return b[0], err
}

// raw takes n bytes out of the stream, between two operations.
func (g *guard) raw(n int) ([]byte, error) {
	if n < 0 || n > len(g.data)-g.at {
		return nil, fmt.Errorf("an array of %d bytes follows, %d are left", n, len(g.data)-g.at)
	}
	b := g.data[g.at : g.at+n]
	g.at += n
	return b, nil
}

// unpickle obeys a pickle whose types are those that find knows.
func unpickle(g *guard, find func(module, name string) (any, error), persistent func(any) (any, error)) (any, error) {
	u := pickle.NewUnpickler(g)
	u.FindClass, u.PersistentLoad = find, persistent
	v, err := u.Load()
	if errors.Is(g.err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("it ends in the middle, after %d bytes", len(g.data))
	}
	return v, short(err)
}

// maxWords bounds a message of a library, which may quote the file.
const maxWords = 300

// short cuts the message of an error that quotes much of the file.
func short(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if len(text) <= maxWords {
		return err
	}
	return errors.New(strings.ToValidUTF8(text[:maxWords], "") + "...")
}

// refused is the error of a type that is not on the list.
func refused(module, name string) error {
	return fmt.Errorf("it asks for %.80q, which is not among the types that are read", module+"."+name)
}

// opaque is an object of a pickle that messages do not print: it may be large.
type opaque struct{}

// GoString is what messages say instead.
func (opaque) GoString() string { return "an object" }

// String is the same.
func (opaque) String() string { return "an object" }

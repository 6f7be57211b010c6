package forecast

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Archive carries the contents of a State to bytes and back. One method of the
// state, Persist, serves both ways: each call writes the variable or fills it in.
// Numbers survive to the last bit. After an error all further calls do nothing.
type Archive struct {
	buf     []byte
	reading bool
	err     error
}

// maxArchived bounds the length of a slice that is read back.
const maxArchived = 1 << 24

// NewArchive returns an archive to write to.
func NewArchive() *Archive { return &Archive{} }

// ReadArchive returns an archive that gives back what Bytes returned.
func ReadArchive(b []byte) *Archive { return &Archive{buf: b, reading: true} }

// Reading reports whether variables are filled in.
func (a *Archive) Reading() bool { return a.reading }

// Bytes returns what was written.
func (a *Archive) Bytes() []byte { return a.buf }

// Close reports the first error, and contents that nobody asked for. The error
// wraps ErrArchive.
func (a *Archive) Close() error {
	if a.err == nil && a.reading && len(a.buf) > 0 {
		a.fail("%d bytes are left over", len(a.buf))
	}
	return a.err
}

// Fail records that what is read does not fit. The first failure stands.
func (a *Archive) Fail(format string, args ...any) { a.fail(format, args...) }

func (a *Archive) fail(format string, args ...any) {
	if a.err == nil {
		a.err = fmt.Errorf("%w: "+format, append([]any{ErrArchive}, args...)...)
	}
}

// Uint carries v.
func (a *Archive) Uint(v *uint64) {
	switch {
	case a.err != nil:
	case !a.reading:
		a.buf = binary.LittleEndian.AppendUint64(a.buf, *v)
	case len(a.buf) < 8:
		a.fail("it ends early")
	default:
		*v = binary.LittleEndian.Uint64(a.buf)
		a.buf = a.buf[8:]
	}
}

// Int carries v.
func (a *Archive) Int(v *int) {
	u := uint64(*v)
	a.Uint(&u)
	*v = int(u)
}

// Bool carries v.
func (a *Archive) Bool(v *bool) {
	var u uint64
	if *v {
		u = 1
	}
	a.Uint(&u)
	*v = u == 1
}

// Float carries each of v.
func (a *Archive) Float(v ...*float64) {
	for _, p := range v {
		u := math.Float64bits(*p)
		a.Uint(&u)
		*p = math.Float64frombits(u)
	}
}

// length carries the length of a slice whose elements take size bytes.
func (a *Archive) length(n, size int) int {
	a.Int(&n)
	if a.reading && a.err == nil && (n < 0 || n > maxArchived || n > len(a.buf)/size) {
		a.fail("a list of %d", n)
	}
	if a.err != nil {
		return 0
	}
	return n
}

// Floats carries v with its length.
func (a *Archive) Floats(v *[]float64) {
	n := a.length(len(*v), 8)
	if a.reading {
		*v = make([]float64, n)
	}
	for i := range n {
		a.Float(&(*v)[i])
	}
}

// Array carries the elements of v, whose length is known.
func (a *Archive) Array(v []float64) {
	for i := range v {
		a.Float(&v[i])
	}
}

// Ints carries v with its length.
func (a *Archive) Ints(v *[]int) {
	n := a.length(len(*v), 8)
	if a.reading {
		*v = make([]int, n)
	}
	for i := range n {
		a.Int(&(*v)[i])
	}
}

// Blob carries v with its length.
func (a *Archive) Blob(v *[]byte) {
	n := a.length(len(*v), 1)
	if a.err != nil {
		return
	}
	if a.reading {
		*v = append([]byte(nil), a.buf[:n]...)
		a.buf = a.buf[n:]
		return
	}
	a.buf = append(a.buf, *v...)
}

package archive

import (
	"encoding/binary"
	"errors"
)

// thriftScan walks a structure of Thrift's compact protocol, in which Parquet writes its
// footers and page headers, without keeping anything. The library makes room for a list of as
// many elements as the list claims; so no list may claim more than there are bytes for.
type thriftScan struct {
	b       []byte
	structs int // that lists may still hold
	bad     error
}

// maxStructs bounds the structures in the lists of a footer: row groups times columns, and
// what is said of each.
const maxStructs = 1 << 18

var errThrift = errors.New("its footer or a page header is damaged")

// thriftSize is the number of bytes of the structure that b begins with.
func thriftSize(b []byte) (int, error) {
	s := thriftScan{b: b, structs: maxStructs}
	s.structure(0)
	return len(b) - len(s.b), s.bad
}

func (s *thriftScan) fail() { s.bad, s.b = errThrift, nil }

func (s *thriftScan) byte() byte {
	if len(s.b) == 0 {
		s.fail()
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

func (s *thriftScan) uvarint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.fail()
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *thriftScan) skip(n uint64) {
	if n > uint64(len(s.b)) {
		s.fail()
		return
	}
	s.b = s.b[n:]
}

// structure walks the fields of a structure up to its stop.
func (s *thriftScan) structure(depth int) {
	if depth > 16 {
		s.fail()
	}
	for s.bad == nil {
		head := s.byte()
		if head == 0 {
			return
		}
		if head>>4 == 0 {
			s.uvarint() // its number
		}
		if t := head & 15; t > 2 { // 1 and 2 are true and false
			s.value(t, depth)
		}
	}
}

func (s *thriftScan) value(t byte, depth int) {
	switch t {
	case 1, 2, 3:
		s.byte()
	case 4, 5, 6:
		s.uvarint()
	case 7:
		s.skip(8)
	case 8:
		s.skip(s.uvarint())
	case 9, 10:
		s.list(depth)
	case 12:
		s.structure(depth + 1)
	default: // 11 is a map: Parquet has none
		s.fail()
	}
}

func (s *thriftScan) list(depth int) {
	head := s.byte()
	n, t := uint64(head>>4), head&15
	if n == 15 {
		n = s.uvarint()
	}
	if n > uint64(len(s.b)) || depth > 16 {
		s.fail()
		return
	}
	if t >= 8 { // what takes more room in memory than here
		if s.structs -= int(n); s.structs < 0 {
			s.fail()
			return
		}
	}
	for ; n > 0 && s.bad == nil; n-- {
		s.value(t, depth+1)
	}
}

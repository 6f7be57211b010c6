package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
)

func varints(v ...uint64) (b []byte) {
	for _, x := range v {
		b = binary.AppendUvarint(b, x)
	}
	return b
}

// TestClaims gives each check a claim of gigabytes in a few bytes.
func TestClaims(t *testing.T) {
	for _, c := range []struct {
		what string
		err  error
	}{
		{"a list of 2^31 structures", size([]byte{0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0})},
		{"a text of 2^31 bytes", size([]byte{0x18, 0xff, 0xff, 0xff, 0xff, 0x07, 0})},
		{"a map", size([]byte{0x1b, 0x01, 0})},
		{"structures in structures", size(bytes.Repeat([]byte{0x1c}, 1000))},
		{"lists in lists", size(bytes.Repeat([]byte{0x19}, 1000))},
		{"more structures than are read", size(append([]byte{0x19, 0xfc}, append(varints(maxStructs+1), make([]byte, maxStructs+2)...)...))},
		{"2^40 differences", deltas(varints(128, 4, 1<<40, 0, 0, 0), 100)},
		{"differences of 65 bits", deltas(append(varints(128, 4, 100, 0, 0), bytes.Repeat([]byte{65}, 4000)...), 100)},
		{"blocks of 2^40", deltas(varints(1<<40, 4, 100, 0, 0, 0), 100)},
		{"a run of 2^31", runs(varints(1<<32, 0), 1, 2, 100, func(int) {})},
		{"2^31 groups of bits", runs(varints(1<<32|1, 0), 1, 2, 100, func(int) {})},
		{"places that are not in the dictionary", runs(append(varints(100<<1), 5), 3, 5, 100, func(int) {})},
		{"too few values", runs(append(varints(50<<1), 1), 1, 2, 100, func(int) {})},
	} {
		if c.err == nil {
			t.Errorf("%s is let pass", c.what)
		}
	}
}

func size(b []byte) error { _, err := thriftSize(b); return err }

// TestBomb decompresses zeros that would fill the memory.
func TestBomb(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		var out bytes.Buffer
		w, err := zstd.NewWriter(&out, zstd.WithWindowSize(1<<20))
		if err != nil {
			t.Fatal(err)
		}
		zeros := make([]byte, maxPage+1<<20)
		if known {
			out.Write(w.EncodeAll(zeros, nil))
		} else if _, err := io.Copy(w, bytes.NewReader(zeros)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxPage))
		if err != nil {
			t.Fatal(err)
		}
		c := chunk{zstd: d}
		if err := c.unpack(out.Bytes(), 1000); err == nil || cap(c.plain) > 2*maxPage {
			t.Errorf("%d bytes are let pass as 1000 (%v), with room for %d", out.Len(), err, cap(c.plain))
		}
		d.Close()
	}
}

// TestEncodings lets pass what the library writes, with the numbers that are in it and no others.
func TestEncodings(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 2, 7, 8, 31, 32, 33, 127, 128, 129, 1000} {
		for _, spread := range []int64{1, 2, 200, 1 << 40} {
			numbers := make([]int64, n)
			places := make([]int32, n)
			levels := make([]byte, n)
			for i := range n {
				numbers[i] = r.Int64N(spread) - spread/3
				places[i] = int32(numbers[i] & 0x1ff)
				levels[i] = byte(numbers[i] & 3)
			}
			b, err := new(delta.BinaryPackedEncoding).EncodeInt64(nil, numbers)
			if err := errors.Join(err, deltas(b, n)); err != nil {
				t.Errorf("%d differences below %d: %v", n, spread, err)
			}
			if deltas(b, n+1) == nil || n > 1 && deltas(b, n-1) == nil {
				t.Errorf("%d differences pass as another number of them", n)
			}
			b, err = (&rle.Encoding{BitWidth: 9}).EncodeInt32(nil, places)
			var got []int32
			if err := errors.Join(err, runs(b, 9, 512, n, func(v int) { got = append(got, int32(v)) })); err != nil || !equal(got, places) {
				t.Errorf("%d places below %d: %v", n, spread, err)
			}
			b, err = (&rle.Encoding{BitWidth: 2}).EncodeLevels(nil, levels)
			var lv []byte
			if err := errors.Join(err, runs(b, 2, 4, n, func(v int) { lv = append(lv, byte(v)) })); err != nil || !bytes.Equal(lv, levels) {
				t.Errorf("%d levels: %v", n, err)
			}
		}
	}
}

func equal(a, b []int32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

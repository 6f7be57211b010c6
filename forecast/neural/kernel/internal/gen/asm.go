package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set.
type isa struct {
	name      string // suffix of the functions
	file      string
	lanes     int // floats of a vector
	registers int // vector registers
	rows      int // most rows of C that a tile of Gemm holds
	tiles     [][]int
}

// A tile of Gemm is rows x tiles[rows][i] vectors of C in registers: as many as keep both
// multipliers busy (latency 4, two a cycle: at least 8), with room for B and A. Widths are
// tried from the widest; the last one has Lanes = 16 floats at most, so that every n comes
// out even.
var sets = []isa{
	{name: "AVX2", file: "kernel_avx2_amd64", lanes: 8, registers: 16, rows: 6, tiles: [][]int{
		1: {8, 2}, 2: {4, 2}, 3: {4, 2}, 4: {2}, 5: {2}, 6: {2}}},
	{name: "AVX512", file: "kernel_avx512_amd64", lanes: 16, registers: 32, rows: 8, tiles: [][]int{
		1: {8, 4, 2, 1}, 2: {4, 2, 1}, 3: {4, 2, 1}, 4: {4, 2, 1}, 5: {2, 1}, 6: {2, 1}, 7: {2, 1}, 8: {2, 1}}},
}

type file struct {
	name string
	text []byte
}

// files is everything that is generated, the same bytes each time.
func files() ([]file, error) {
	var all []file
	for _, set := range sets {
		a := &asm{Context: build.NewContext(), isa: set, constants: map[uint32]operand.Mem{}}
		a.ConstraintExpr("amd64")
		a.gemm()
		a.lstm()
		a.steps()
		a.lstmBack()
		a.gru()
		a.gruBack()
		a.adam()
		f, err := a.Result()
		if err != nil {
			return nil, err
		}
		if err := pass.Compile.Execute(f); err != nil {
			return nil, fmt.Errorf("%s: %w", set.name, err)
		}
		for _, fn := range f.Functions() {
			if set.lanes == 8 && slices.ContainsFunc(fn.ISA, func(s string) bool { return strings.HasPrefix(s, "AVX512") }) {
				return nil, fmt.Errorf("%s needs AVX-512", fn.Name)
			}
		}
		cfg := printer.Config{Argv: []string{"go", "generate"}, Pkg: "kernel"}
		code, errCode := printer.NewGoAsm(cfg).Print(f)
		stubs, errStubs := printer.NewStubs(cfg).Print(f)
		if err := errors.Join(errCode, errStubs); err != nil {
			return nil, err
		}
		all = append(all, file{set.file + ".s", code}, file{set.file + ".go", stubs})
	}
	return all, nil
}

// asm emits the functions of one instruction set.
type asm struct {
	*build.Context
	isa
	constants map[uint32]operand.Mem // by their bits
	labels    int
}

const readOnly = attr.RODATA | attr.NOPTR

// function begins a function; params is its signature without "func". No argument that is
// a pointer escapes.
func (a *asm) function(name, params string, doc ...string) {
	a.Function(name + a.name)
	a.SignatureExpr("func" + params)
	a.Attributes(attr.NOSPLIT)
	a.Pragma("noescape")
	doc[0] = name + a.name + " " + doc[0]
	a.Doc(doc...)
}

// end leaves the function; without VZEROUPPER the SSE code of Go would run slower after it.
func (a *asm) end() {
	a.VZEROUPPER()
	a.RET()
}

// size is that of a vector in bytes.
func (a *asm) size() int { return 4 * a.lanes }

// vec is a new vector register.
func (a *asm) vec() reg.VecVirtual {
	if a.lanes == 8 {
		return a.YMM()
	}
	return a.ZMM()
}

// arg is where an argument lies.
func (a *asm) arg(name string) operand.Mem {
	b, err := a.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// load is an argument in a new register.
func (a *asm) load(name string) reg.GPVirtual {
	r := a.GP64()
	a.MOVQ(a.arg(name), r)
	return r
}

// bytes is an argument that counts floats, as bytes in a new register.
func (a *asm) bytes(name string) reg.GPVirtual {
	r := a.load(name)
	a.SHLQ(operand.Imm(2), r)
	return r
}

// label is a label that no other place has.
func (a *asm) label(name string) string {
	a.labels++
	return fmt.Sprintf("%s%d", name, a.labels)
}

// vecs is n new registers.
func (a *asm) vecs(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = a.vec()
	}
	return v
}

// spread is a register with x in every lane.
func (a *asm) spread(x float32) reg.VecVirtual { return a.spreadBits(math.Float32bits(x)) }

// spreadBits is a register with the given bits in every lane. Memory has them once: Go
// aligns no data to 64 bytes, so that a vector of them could lie across two cache lines.
func (a *asm) spreadBits(b uint32) reg.VecVirtual {
	m, ok := a.constants[b]
	if !ok {
		m = a.ConstData(fmt.Sprintf("bits%08x%s", b, a.name), operand.U32(b))
		a.constants[b] = m
	}
	v := a.vec()
	a.VBROADCASTSS(m, v)
	return v
}

// get reads a vector into a new register.
func (a *asm) get(m operand.Mem) reg.VecVirtual {
	v := a.vec()
	a.VMOVUPS(m, v)
	return v
}

// at is the memory at base + index*scale + offset.
func at(base, index reg.Register, scale uint8, offset int) operand.Mem {
	return operand.Mem{Base: base, Index: index, Scale: scale, Disp: offset}
}

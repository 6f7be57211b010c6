package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The exponential of y is 2^n (1 + p): n = round(y / ln 2), r = y - n ln 2 in two parts,
// and p = r + r² q(r) is exp(r) - 1, q being a polynomial of degree 4. With s = 2^n,
//
//	1 + exp(y) = s p + (s+1)
//
// is one fused multiply-add, s+1 being exact or so large that the 1 hardly counts. From it
// come the sigmoid, y = -x, and the hyperbolic tangent, y = 2|x|:
//
//	sigmoid(x) = 1 / (1 + exp(y)),   tanh(x) = sign(x) (1 - 2 / (1 + exp(y)))
//
// The latter loses bits as x goes to 0: below the tangent 1/2 it is x + x³ t(x²), t of
// degree 4. Both polynomials have the smallest greatest relative error that their degree
// allows, of p on |r| <= ln 2 / 2 and of tanh (Remez's exchange in 60 digits; 1.4e-8 and
// 1.1e-9).
const (
	log2e  = 1.44269504088896340735992468100189214
	magic  = 3 << 22     // adding it to a float rounds that to an integer, in the low bits
	ln2    = 0.693359375 // ln 2 to 9 bits: times n it is exact
	ln2Low = -2.1219444005469e-4
	// Beyond these, the sigmoid would leave the normal numbers, the tangent is 1.
	sigmoidEnd = 87.33
	tanhEnd    = 10
	tanhHalf   = 0.54930614433405484570 // where tanh is 1/2
)

// q and t, from the constant on.
var (
	exponential = []float32{0.50000000618915630349, 0.16666542924624512408, 0.0416662818501196806, 0.0083665980448453118, 0.0013946472993513578}
	tangent     = []float32{-0.33333317671440926523, 0.13332590313089085899, -0.053852785141891593904, 0.021073779253319766861, -0.006277401024593257652}
)

// constant is a vector with x in every lane as an operand: where there are registers
// enough, in one; the caller asks before its loop.
type constant func(x float32) operand.Op

// constantsInRegisters reads those that the activations need, when they fit.
func (a *asm) constantsInRegisters() constant {
	if a.registers < 32 {
		return func(x float32) operand.Op { return a.of(x) }
	}
	held := map[float32]operand.Op{}
	for _, x := range append([]float32{log2e, -log2e, 2 * log2e, magic, ln2, ln2Low, 1, 2}, exponential...) {
		if _, ok := held[x]; !ok {
			held[x] = a.get(a.of(x))
		}
	}
	return func(x float32) operand.Op {
		if r, ok := held[x]; ok {
			return r
		}
		return a.of(x)
	}
}

// onePlusExp is 1 + exp(y) for y = sign x, where t is y / ln 2 + magic, sign 1 or -1. t and x
// are used up.
func (a *asm) onePlusExp(c constant, t, x reg.VecVirtual, sign int) reg.VecVirtual {
	n := a.vec()
	a.VSUBPS(a.register(c(magic)), t, n)
	if sign < 0 {
		a.VFNMSUB231PS(c(ln2), n, x)
	} else {
		a.VFNMADD231PS(c(ln2), n, x)
	}
	a.VFNMADD231PS(c(ln2Low), n, x)
	s, r, sum := t, x, a.vec()
	a.VPSLLD(operand.Imm(23), t, s) // the low bits of t are n
	a.VPADDD(c(1), s, s)
	a.VADDPS(c(1), s, sum)

	r2 := a.vec()
	a.VMULPS(r, r, r2)
	a.VFMADD231PS(a.polynomial(c, exponential, r, r2), r2, r)
	a.VFMADD231PS(s, r, sum)
	return sum
}

// polynomial is that of degree 4 with the given coefficients.
func (a *asm) polynomial(c constant, k []float32, x, x2 reg.VecVirtual) reg.VecVirtual {
	low, high := a.get(c(k[1])), a.get(c(k[3]))
	a.VFMADD213PS(c(k[0]), x, low)
	a.VFMADD213PS(c(k[2]), x, high)
	a.VFMADD231PS(c(k[4]), x2, high)
	a.VFMADD231PS(high, x2, low)
	return low
}

// register is op in a register.
func (a *asm) register(op operand.Op) reg.Register {
	if r, ok := op.(reg.Register); ok {
		return r
	}
	return a.get(op)
}

// within clamps x to at most end (or at least, for a negative one). A NaN stays.
func (a *asm) within(x reg.VecVirtual, end float32) {
	limit := a.get(a.of(end))
	if end < 0 {
		a.VMAXPS(x, limit, x)
	} else {
		a.VMINPS(x, limit, x)
	}
}

// sigmoid replaces x by 1 / (1 + exp(-x)).
func (a *asm) sigmoid(c constant, x reg.VecVirtual) {
	a.within(x, sigmoidEnd)
	a.within(x, -sigmoidEnd)
	t := a.get(c(-log2e))
	a.VFMADD213PS(c(magic), x, t)
	a.VDIVPS(a.onePlusExp(c, t, x, -1), a.register(c(1)), x)
}

// tanh replaces x by its hyperbolic tangent.
func (a *asm) tanh(c constant, x reg.VecVirtual) {
	sign := a.vec()
	a.logic(a.VANDPS, a.VPANDD, a.bits(1<<31), x, sign)
	a.logic(a.VANDPS, a.VPANDD, a.bits(math.MaxInt32), x, x)

	x2, x3, x4 := a.vec(), a.vec(), a.vec()
	a.VMULPS(x, x, x2)
	a.VMULPS(x2, x, x3)
	a.VMULPS(x2, x2, x4)
	small := a.vec()
	a.VMOVAPS(x, small)
	a.VFMADD231PS(a.polynomial(c, tangent, x2, x4), x3, small)
	below := a.less(x, a.of(tanhHalf))

	a.within(x, tanhEnd)
	t := a.get(c(2 * log2e))
	a.VFMADD213PS(c(magic), x, t)
	a.VADDPS(x, x, x)
	q := a.vec()
	a.VDIVPS(a.onePlusExp(c, t, x, 1), a.register(c(2)), q)
	a.VSUBPS(q, a.register(c(1)), x)
	below(small, x)
	a.logic(a.VORPS, a.VPORD, sign, x, x)
}

// less compares x to a limit. What it gives replaces lanes of "in" by those of "by" where x
// was less; not where it was NaN.
func (a *asm) less(x reg.VecVirtual, limit operand.Mem) func(by, in reg.VecVirtual) {
	const lessThan = operand.U8(0x11) // ordered, quiet
	if a.lanes == 8 {
		mask := a.vec()
		a.VCMPPS(lessThan, limit, x, mask)
		return func(by, in reg.VecVirtual) { a.VBLENDVPS(mask, by, in, in) }
	}
	mask := a.K()
	a.VCMPPS(lessThan, limit, x, mask)
	return func(by, in reg.VecVirtual) { a.VMOVAPS(by, mask, in) }
}

// logic emits one of two names of a bitwise operation: that of AVX, or that of AVX-512
// which needs no more than its foundation.
func (a *asm) logic(avx, avx512 func(...operand.Op), ops ...operand.Op) {
	if a.lanes == 8 {
		avx(ops...)
	} else {
		avx512(ops...)
	}
}

// vectors emits a loop over rows of width floats, a vector at a time: body gets the place
// in the row matrices, in bytes. z is a matrix of blocks rows as wide; it is moved along.
func (a *asm) vectors(blocks int, body func(at reg.GPVirtual), moved ...reg.GPVirtual) {
	place, rows, width, skip, columns := a.GP64(), a.load("rows"), a.load("width"), a.bytes("width"), a.GP64()
	a.XORQ(place, place)
	if blocks == 4 {
		a.LEAQ(at(skip, skip, 2, 0), skip)
	} else {
		a.ADDQ(skip, skip)
	}
	a.Label("row")
	a.MOVQ(width, columns)
	a.Label("column")
	body(place)
	a.ADDQ(operand.Imm(uint64(a.size())), place)
	for _, r := range moved {
		a.ADDQ(operand.Imm(uint64(a.size())), r)
	}
	a.SUBQ(operand.Imm(uint64(a.lanes)), columns)
	a.JNZ(operand.LabelRef("column"))
	for _, r := range moved {
		a.ADDQ(skip, r)
	}
	a.DECQ(rows)
	a.JNZ(operand.LabelRef("row"))
}

// block gives the blocks of a row of z, w being the bytes of a block.
func (a *asm) block(z, w reg.GPVirtual) (m [4]operand.Mem) {
	w3 := a.GP64()
	a.LEAQ(at(w, w, 2, 0), w3)
	return [4]operand.Mem{{Base: z}, at(z, w, 1, 0), at(z, w, 2, 0), at(z, w3, 1, 0)}
}

// lstm emits the gates of LSTM.
func (a *asm) lstm() {
	a.function("lstm", "(rows, width int, z, cell, next, squash, hidden *float32)",
		"computes the gates of rows cells: rows is at least 1, width a positive multiple of 16.")
	c := a.constantsInRegisters()
	z := a.load("z")
	blocks := a.block(z, a.bytes("width"))
	cell, next, squash, hidden := a.load("cell"), a.load("next"), a.load("squash"), a.load("hidden")
	a.vectors(4, func(place reg.GPVirtual) {
		var gate [4]reg.VecVirtual
		for b := range gate {
			gate[b] = a.get(blocks[b])
			if b == 2 {
				a.tanh(c, gate[b])
			} else {
				a.sigmoid(c, gate[b])
			}
			a.VMOVUPS(gate[b], blocks[b])
		}
		sum := gate[0]
		a.VMULPS(gate[2], sum, sum)
		a.VFMADD231PS(at(cell, place, 1, 0), gate[1], sum)
		a.VMOVUPS(sum, at(next, place, 1, 0))
		a.tanh(c, sum)
		a.VMOVUPS(sum, at(squash, place, 1, 0))
		a.VMULPS(sum, gate[3], sum)
		a.VMOVUPS(sum, at(hidden, place, 1, 0))
	}, z)
	a.end()
}

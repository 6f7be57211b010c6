package main

import (
	"math"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The exponential of y is 2^n (1 + p): n = round(y / ln 2), r = y - n ln 2,
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
	log2e   = 1.44269504088896340735992468100189214
	magic   = 3 << 22                 // adding it to a float rounds that to an integer, in the low bits
	ln2     = 0.693147182464599609375 // to 24 bits, off by 2e-9
	ln2High = 0.693359375             // to 10 bits: n times it is exact; and the rest
	ln2Low  = -2.121944400546905827679e-4
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

// The activations take several vectors at once, and go through them step by step: their
// chains of dependent instructions run side by side, and a constant is read once for all.

// onePlusExp is 1 + exp(y) for y = sign x, where t is y / ln 2 + magic, sign 1 or -1. t and x
// are used up.
func (a *asm) onePlusExp(t, x []reg.VecVirtual, sign int) (sum []reg.VecVirtual) {
	n := a.vecs(len(x))
	m := a.spread(magic)
	for i := range x {
		a.VSUBPS(m, t[i], n[i])
	}
	subtract := func(part float32, from func(...operand.Op)) {
		k := a.spread(part)
		for i := range x {
			from(k, n[i], x[i])
		}
	}
	if sign < 0 {
		subtract(ln2High, a.VFNMSUB231PS) // and -x = y
		subtract(ln2Low, a.VFNMADD231PS)
	} else { // where y is positive and ends in 2 / (1 + exp(y)), that is exact enough
		subtract(ln2, a.VFNMADD231PS)
	}
	r, s := x, t
	r2 := a.vecs(len(x))
	for i := range x {
		a.VMULPS(r[i], r[i], r2[i])
	}
	q := a.polynomial(exponential, r, r2)
	one := a.spread(1)
	for i := range x {
		a.VPSLLD(operand.Imm(23), t[i], s[i]) // the low bits of t are n
		a.VPADDD(one, s[i], s[i])
	}
	sum = a.vecs(len(x))
	for i := range x {
		a.VADDPS(one, s[i], sum[i])
		a.VFMADD231PS(q[i], r2[i], r[i])
	}
	for i := range x {
		a.VFMADD231PS(s[i], r[i], sum[i])
	}
	return sum
}

// polynomial is that of degree 4 with the given coefficients.
func (a *asm) polynomial(k []float32, x, x2 []reg.VecVirtual) []reg.VecVirtual {
	low, high := a.copies(k[1], len(x)), a.copies(k[3], len(x))
	multiplyAdd := func(y []reg.VecVirtual, k float32) {
		v := a.spread(k)
		for i := range y {
			a.VFMADD213PS(v, x[i], y[i])
		}
	}
	multiplyAdd(high, k[2])
	multiplyAdd(low, k[0])
	v := a.spread(k[4])
	for i := range x {
		a.VFMADD231PS(v, x2[i], high[i])
	}
	for i := range x {
		a.VFMADD231PS(high[i], x2[i], low[i])
	}
	return low
}

// copies is n registers with x in every lane.
func (a *asm) copies(x float32, n int) []reg.VecVirtual {
	v := a.vecs(n)
	v[0] = a.spread(x)
	for i := 1; i < n; i++ {
		a.VMOVAPS(v[0], v[i])
	}
	return v
}

// within clamps x to at most end (or at least, for a negative one). A NaN stays.
func (a *asm) within(x []reg.VecVirtual, end float32) {
	limit := a.spread(end)
	for i := range x {
		if end < 0 {
			a.VMAXPS(x[i], limit, x[i])
		} else {
			a.VMINPS(x[i], limit, x[i])
		}
	}
}

// exponent is x k + magic, k being of the size of 1 / ln 2.
func (a *asm) exponent(x []reg.VecVirtual, k float32) []reg.VecVirtual {
	t := a.copies(k, len(x))
	m := a.spread(magic)
	for i := range x {
		a.VFMADD213PS(m, x[i], t[i])
	}
	return t
}

// sigmoid replaces x by 1 / (1 + exp(-x)).
func (a *asm) sigmoid(x ...reg.VecVirtual) {
	a.within(x, sigmoidEnd)
	a.within(x, -sigmoidEnd)
	sum := a.onePlusExp(a.exponent(x, -log2e), x, -1)
	one := a.spread(1)
	for i := range x {
		a.VDIVPS(sum[i], one, x[i])
	}
}

// tanh replaces x by its hyperbolic tangent.
func (a *asm) tanh(x ...reg.VecVirtual) {
	sign, size := a.vecs(len(x)), a.spreadBits(math.MaxInt32)
	for i := range x {
		a.logic(a.VANDNPS, a.VPANDND, x[i], size, sign[i])
		a.logic(a.VANDPS, a.VPANDD, size, x[i], x[i])
	}
	x2, x4 := a.vecs(len(x)), a.vecs(len(x))
	for i := range x {
		a.VMULPS(x[i], x[i], x2[i])
		a.VMULPS(x2[i], x2[i], x4[i])
	}
	small := a.polynomial(tangent, x2, x4)
	for i := range x {
		a.VMULPS(x2[i], x[i], x2[i])
		a.VFMADD213PS(x[i], x2[i], small[i])
	}
	below := a.less(x, a.spread(tanhHalf))

	a.within(x, tanhEnd)
	t := a.exponent(x, 2*log2e)
	for i := range x {
		a.VADDPS(x[i], x[i], x[i])
	}
	q, two := a.onePlusExp(t, x, 1), a.spread(2)
	for i := range x {
		a.VDIVPS(q[i], two, q[i])
	}
	one := a.spread(1)
	for i := range x {
		a.VSUBPS(q[i], one, x[i])
		below(i, small[i], x[i])
		a.logic(a.VORPS, a.VPORD, sign[i], x[i], x[i])
	}
}

// less compares x to a limit. What it gives replaces lanes of "in" by those of "by" where x
// was less; not where it was NaN.
func (a *asm) less(x []reg.VecVirtual, limit reg.VecVirtual) func(i int, by, in reg.VecVirtual) {
	const lessThan = operand.U8(0x11) // ordered, quiet
	if a.lanes == 8 {
		mask := a.vecs(len(x))
		for i := range x {
			a.VCMPPS(lessThan, limit, x[i], mask[i])
		}
		return func(i int, by, in reg.VecVirtual) { a.VBLENDVPS(mask[i], by, in, in) }
	}
	var mask []reg.OpmaskVirtual
	for i := range x {
		mask = append(mask, a.K())
		a.VCMPPS(lessThan, limit, x[i], mask[i])
	}
	return func(i int, by, in reg.VecVirtual) { a.VMOVAPS(by, mask[i], in) }
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

// columns emits a loop over rows of width floats, 16 at a time: body gets the place in the
// row matrices, in bytes. moved are matrices of a number of blocks a row as wide.
func (a *asm) columns(blocks int, body func(at reg.GPVirtual), moved ...reg.GPVirtual) {
	const lanes = 16
	place, rows, width, skip, columns := a.GP64(), a.load("rows"), a.load("width"), a.bytes("width"), a.GP64()
	a.XORQ(place, place)
	a.IMUL3Q(operand.Imm(uint64(blocks-1)), skip, skip)
	a.Label("row")
	a.MOVQ(width, columns)
	a.Label("column")
	body(place)
	a.ADDQ(operand.Imm(4*lanes), place)
	for _, r := range moved {
		a.ADDQ(operand.Imm(4*lanes), r)
	}
	a.SUBQ(operand.Imm(lanes), columns)
	a.JNZ(operand.LabelRef("column"))
	for _, r := range moved {
		a.ADDQ(skip, r)
	}
	a.DECQ(rows)
	a.JNZ(operand.LabelRef("row"))
}

// A column is 16 floats in registers.
type column = []reg.VecVirtual

// vectors is how many make 16 floats.
func (a *asm) vectors() int { return 16 / a.lanes }

// read gives the 16 floats at m.
func (a *asm) read(m operand.Mem) column {
	v := a.vecs(a.vectors())
	for i := range v {
		a.VMOVUPS(m.Offset(i*a.size()), v[i])
	}
	return v
}

// write puts v to m.
func (a *asm) write(v column, m operand.Mem) {
	for i := range v {
		a.VMOVUPS(v[i], m.Offset(i*a.size()))
	}
}

// blocks are those of a row of z, w being the bytes of a block and w3 three times that; of
// three blocks, w3 is of no meaning.
func blocks(z, w, w3 reg.GPVirtual) [4]operand.Mem {
	return [4]operand.Mem{{Base: z}, at(z, w, 1, 0), at(z, w, 2, 0), at(z, w3, 1, 0)}
}

// lstm emits the gates of LSTM.
func (a *asm) lstm() {
	a.function("lstm", "(rows, width int, z, cell, next, squash, hidden *float32)",
		"computes the gates of rows cells: rows is at least 1, width a positive multiple of 16.")
	z, w, w3 := a.load("z"), a.bytes("width"), a.GP64()
	a.LEAQ(at(w, w, 2, 0), w3)
	z4 := blocks(z, w, w3)
	cell, next, squash, hidden := a.load("cell"), a.load("next"), a.load("squash"), a.load("hidden")
	a.columns(4, func(place reg.GPVirtual) {
		a.cells(cells{
			gate: func(b int) column { return a.read(z4[b]) },
			keep: func(b int, v column) { a.write(v, z4[b]) },
			cell: at(cell, place, 1, 0), next: at(next, place, 1, 0), squash: at(squash, place, 1, 0), hidden: at(hidden, place, 1, 0),
		})
	}, z)
	a.end()
}

// cells is where the 16 cells of LSTM are.
type cells struct {
	gate                       func(b int) column    // the sums of a gate, asked for once
	keep                       func(b int, v column) // writes its values and squash; or nil
	cell, next, squash, hidden operand.Mem
}

// cells emits the gates of 16 cells: what the next cell needs first.
func (a *asm) cells(c cells) {
	keep := func(b int, v column) {
		if c.keep != nil {
			c.keep(b, v)
		}
	}
	g := c.gate(2)
	a.tanh(g...)
	keep(2, g)
	i, f := c.gate(0), column(nil)
	if a.registers >= 32 {
		f = c.gate(1)
		a.sigmoid(append(i, f...)...)
	} else {
		a.sigmoid(i...)
	}
	keep(0, i)
	for j := range i {
		a.VMULPS(g[j], i[j], i[j])
	}
	if f == nil {
		f = c.gate(1)
		a.sigmoid(f...)
	}
	keep(1, f)
	sum := i
	for j := range sum {
		a.VFMADD231PS(c.cell.Offset(j*a.size()), f[j], sum[j])
	}
	a.write(sum, c.next)
	o := c.gate(3)
	a.sigmoid(o...)
	keep(3, o)
	a.tanh(sum...)
	if c.keep != nil {
		a.write(sum, c.squash)
	}
	for j := range sum {
		a.VMULPS(sum[j], o[j], sum[j])
	}
	a.write(sum, c.hidden)
}

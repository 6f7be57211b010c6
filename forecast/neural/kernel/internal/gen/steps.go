package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// recurrence is what the steps of Steps have in common.
type recurrence struct {
	*asm
	z, hidden, cell reg.GPVirtual // row of this step; hidden's too, cell is the only one
	w, w3           reg.GPVirtual // bytes of a block of z, and of three
	place           reg.GPVirtual // of the columns, in bytes
	columns         reg.GPVirtual // left
}

// steps emits Steps. The sums of one or two times 16 cells stay in registers from the first
// product to the gates: two where there are registers for them, so that eight chains of
// multiply-adds run side by side.
func (a *asm) steps() {
	a.function("steps", "(steps, units, width int, z, wh, cell, hidden *float32)",
		"runs a layer of LSTM over a window: steps is at least 1, units at most width, a positive multiple of 16.")
	r := &recurrence{asm: a, z: a.load("z"), hidden: a.load("hidden"), cell: a.load("cell"), w: a.bytes("width"), w3: a.GP64(), place: a.GP64()}
	a.LEAQ(at(r.w, r.w, 2, 0), r.w3)
	a.Label("step")
	a.XORQ(r.place, r.place)
	r.columns = a.load("width")
	if a.registers >= 32 {
		r.panels(2)
	}
	r.panels(1)
	a.LEAQ(at(r.z, r.w, 4, 0), r.z)
	a.ADDQ(r.w, r.hidden)
	a.DECQ(a.arg("steps"))
	a.JNZ(operand.LabelRef("step"))
	a.end()
}

// panels emits the cells, n times 16 together, while so many columns are left.
func (r *recurrence) panels(n int) {
	next, done := r.label("cells"), r.label("fewer")
	r.Label(next)
	r.CMPQ(r.columns, operand.Imm(uint64(16*n)))
	r.JLT(operand.LabelRef(done))
	r.panel(n)
	r.ADDQ(operand.U32(uint32(64*n)), r.place)
	r.SUBQ(operand.Imm(uint64(16*n)), r.columns)
	r.JMP(operand.LabelRef(next))
	r.Label(done)
}

func (r *recurrence) panel(n int) {
	z := r.GP64()
	r.LEAQ(at(r.z, r.place, 1, 0), z)
	sums := blocks(z, r.w, r.w3)
	gates := make([][4]column, n)
	for i := range gates {
		for b := range gates[i] {
			gates[i][b] = r.read(sums[b].Offset(64 * i))
		}
	}
	r.products(gates)
	for i := range gates {
		if r.registers < 32 { // no room for these beside the first activation
			for _, b := range []int{0, 1, 3} {
				r.write(gates[i][b], sums[b].Offset(64*i))
			}
		}
		cell, hidden := at(r.cell, r.place, 1, 64*i), at(r.hidden, r.place, 1, 64*i)
		r.cells(cells{
			gate: func(b int) column {
				if r.registers < 32 && b != 2 {
					return r.read(sums[b].Offset(64 * i))
				}
				return gates[i][b]
			},
			cell: cell, next: cell, hidden: hidden,
		})
	}
}

// products adds the hidden row before times wh; the first step has none.
func (r *recurrence) products(gates [][4]column) {
	loop, done := r.label("unit"), r.label("gates")
	first, left := r.load("hidden"), r.load("units")
	r.CMPQ(first, r.hidden)
	r.JEQ(operand.LabelRef(done))
	r.TESTQ(left, left)
	r.JZ(operand.LabelRef(done))
	wh, before := r.load("wh"), r.GP64()
	r.ADDQ(r.place, wh)
	r.MOVQ(r.hidden, before)
	r.SUBQ(r.w, before)
	weights := blocks(wh, r.w, r.w3)
	r.Label(loop)
	x := r.vec()
	r.VBROADCASTSS(operand.Mem{Base: before}, x)
	for i := range gates {
		for b, sum := range gates[i] {
			for j := range sum {
				r.VFMADD231PS(weights[b].Offset(64*i+j*r.size()), x, sum[j])
			}
		}
	}
	r.ADDQ(operand.Imm(4), before)
	r.LEAQ(at(wh, r.w, 4, 0), wh)
	r.DECQ(left)
	r.JNZ(operand.LabelRef(loop))
	r.Label(done)
}

package main

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gemm emits C += A B. The outer loop takes rows of C, as many as a tile holds, the inner
// one its columns, so that A's rows stay in the first cache and so does B, of which the
// caller passes no more. Each element of C is one chain of multiply-adds that begins with
// what was there, whatever the tile: its bits do not depend on m, n or the width of the
// vectors.
func (a *asm) gemm() {
	a.function("gemm", "(m, n, k int, a *float32, rs, cs int, b *float32, ldb int, c *float32, ldc int)",
		"adds the product of A and B to C: m, n and k are at least 1, n a multiple of 16.")
	p := product{asm: a, rs: a.bytes("rs"), cs: a.bytes("cs"), ldb: a.bytes("ldb"), rs3: a.GP64()}
	a.LEAQ(at(p.rs, p.rs, 2, 0), p.rs3)

	a.Label("rows")
	left, take := a.load("m"), a.GP64()
	a.MOVQ(left, take)
	a.CMPQ(left, operand.Imm(uint64(a.rows)))
	a.JLE(operand.LabelRef("tile"))
	a.MOVQ(operand.U32(uint32(a.rows)), take)
	a.CMPQ(left, operand.Imm(uint64(2*a.rows)))
	a.JGE(operand.LabelRef("tile"))
	a.Comment("Two tiles of about the same height keep more sums in flight than a full one and a rest.")
	a.MOVQ(left, take)
	a.INCQ(take)
	a.SHRQ(operand.Imm(1), take)

	a.Label("tile")
	a.SUBQ(take, a.arg("m"))
	for rows := a.rows; rows > 1; rows-- {
		a.CMPQ(take, operand.Imm(uint64(rows)))
		a.JEQ(operand.LabelRef(fmt.Sprintf("tile%d", rows)))
	}
	for rows := 1; rows <= a.rows; rows++ {
		a.Label(fmt.Sprintf("tile%d", rows))
		p.rowsOf(rows)
		a.CMPQ(a.arg("m"), operand.Imm(0))
		a.JNE(operand.LabelRef("rows"))
		a.end()
	}
}

// product is what the tiles of one matrix product have in common: distances in bytes.
type product struct {
	*asm
	rs, rs3, cs, ldb reg.GPVirtual
	columns          reg.GPVirtual // left
	b, c             reg.GPVirtual // at the next column
}

// rowsOf emits the columns of a number of rows and moves a and c on.
func (p *product) rowsOf(rows int) {
	p.columns, p.b, p.c = p.load("n"), p.load("b"), p.load("c")
	for _, vectors := range p.tiles[rows] {
		p.panels(rows, vectors)
	}
	ldc := p.bytes("ldc")
	p.IMUL3Q(operand.Imm(uint64(rows)), ldc, ldc)
	p.ADDQ(ldc, p.arg("c"))
	step := p.GP64()
	p.IMUL3Q(operand.Imm(uint64(rows)), p.rs, step)
	p.ADDQ(step, p.arg("a"))
}

// panels emits tiles of the given size while that many columns are left.
func (p *product) panels(rows, vectors int) {
	next, done := p.label("panel"), p.label("narrower")
	p.Label(next)
	p.CMPQ(p.columns, operand.Imm(uint64(vectors*p.lanes)))
	p.JLT(operand.LabelRef(done))
	p.tile(rows, vectors)
	p.ADDQ(operand.U32(uint32(vectors*p.size())), p.b)
	p.ADDQ(operand.U32(uint32(vectors*p.size())), p.c)
	p.SUBQ(operand.U32(uint32(vectors*p.lanes)), p.columns)
	p.JMP(operand.LabelRef(next))
	p.Label(done)
}

// strided gives the rows of a tile that begins at base: base + row*distance, by a second
// register four rows on, so that no row needs one of its own.
func (p *product) strided(rows int, base, by, by3 reg.GPVirtual) (row func(int) operand.Mem, bases []reg.GPVirtual) {
	bases = []reg.GPVirtual{base}
	if rows > 4 {
		second := p.GP64()
		p.LEAQ(at(base, by, 4, 0), second)
		bases = append(bases, second)
	}
	return func(i int) operand.Mem {
		from := bases[i/4]
		switch i % 4 {
		case 1:
			return at(from, by, 1, 0)
		case 2:
			return at(from, by, 2, 0)
		case 3:
			return at(from, by3, 1, 0)
		}
		return operand.Mem{Base: from}
	}, bases
}

// tile emits one tile: C into registers, all of k, and back.
func (p *product) tile(rows, vectors int) {
	sum := make([][]reg.VecVirtual, rows)
	each := func(do func(m operand.Mem, v reg.VecVirtual)) {
		ldc := p.bytes("ldc")
		ldc3 := p.GP64()
		p.LEAQ(at(ldc, ldc, 2, 0), ldc3)
		row, _ := p.strided(rows, p.c, ldc, ldc3)
		for i := range rows {
			for j := range vectors {
				do(row(i).Offset(j*p.size()), sum[i][j])
			}
		}
	}
	for i := range rows {
		for range vectors {
			sum[i] = append(sum[i], p.vec())
		}
	}
	each(func(m operand.Mem, v reg.VecVirtual) { p.VMOVUPS(m, v) })

	loop := p.label("k")
	left, b := p.load("k"), p.GP64()
	p.MOVQ(p.b, b)
	element, bases := p.strided(rows, p.load("a"), p.rs, p.rs3)
	p.Label(loop)
	p.multiply(sum, element, b)
	for _, r := range bases {
		p.ADDQ(p.cs, r)
	}
	p.ADDQ(p.ldb, b)
	p.DECQ(left)
	p.JNZ(operand.LabelRef(loop))
	each(func(m operand.Mem, v reg.VecVirtual) { p.VMOVUPS(v, m) })
}

// multiply adds a column of A times a row of B to the sums. Whichever of the two fits
// beside the sums is held in registers; a single row reads B where it is used.
func (p *product) multiply(sum [][]reg.VecVirtual, element func(int) operand.Mem, b reg.GPVirtual) {
	rows, vectors := len(sum), len(sum[0])
	spread := func(i int) reg.VecVirtual {
		v := p.vec()
		p.VBROADCASTSS(element(i), v)
		return v
	}
	of := func(j int) operand.Mem { return operand.Mem{Base: b}.Offset(j * p.size()) }
	switch {
	case rows == 1:
		x := spread(0)
		for j := range vectors {
			p.VFMADD231PS(of(j), x, sum[0][j])
		}
	case rows*vectors+vectors+1 <= p.registers:
		var y []reg.VecVirtual
		for j := range vectors {
			y = append(y, p.get(of(j)))
		}
		for i := range rows {
			x := spread(i)
			for j := range vectors {
				p.VFMADD231PS(y[j], x, sum[i][j])
			}
		}
	default:
		var x []reg.VecVirtual
		for i := range rows {
			x = append(x, spread(i))
		}
		for j := range vectors {
			y := p.get(of(j))
			for i := range rows {
				p.VFMADD231PS(y, x[i], sum[i][j])
			}
		}
	}
}

package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// adam emits Adam: the only loop over slices of any length. The rest at the end goes
// through masked reads and writes.
func (a *asm) adam() {
	a.function("adam", "(n int, beta1, rest1, beta2, rest2, keep, rate, root, epsilon float32, w, gradient, m, v *float32)",
		"is a step of Adam on n weights; rest is 1 - beta.")
	parameter := map[string]reg.VecVirtual{}
	for _, name := range []string{"beta1", "rest1", "beta2", "rest2", "keep", "rate", "root", "epsilon"} {
		parameter[name] = a.vec()
		a.VBROADCASTSS(a.arg(name), parameter[name])
	}
	left := a.load("n")
	base := []reg.GPVirtual{a.load("w"), a.load("gradient"), a.load("m"), a.load("v")}
	step := func(get func(reg.GPVirtual) reg.VecVirtual, put func(reg.VecVirtual, reg.GPVirtual)) {
		w, g, m, v := get(base[0]), get(base[1]), get(base[2]), get(base[3])
		a.VMULPS(parameter["beta1"], m, m)
		a.VFMADD231PS(parameter["rest1"], g, m)
		put(m, base[2])
		a.VMULPS(g, g, g)
		a.VMULPS(parameter["beta2"], v, v)
		a.VFMADD231PS(parameter["rest2"], g, v)
		put(v, base[3])
		d := g
		a.VSQRTPS(v, d)
		a.VFMADD213PS(parameter["epsilon"], parameter["root"], d)
		a.VMULPS(parameter["rate"], m, m)
		a.VDIVPS(d, m, m)
		a.VFMSUB132PS(parameter["keep"], m, w)
		put(w, base[0])
	}
	a.CMPQ(left, operand.Imm(uint64(a.lanes)))
	a.JLT(operand.LabelRef("rest"))
	a.Label("whole")
	step(func(r reg.GPVirtual) reg.VecVirtual { return a.get(operand.Mem{Base: r}) },
		func(v reg.VecVirtual, r reg.GPVirtual) { a.VMOVUPS(v, operand.Mem{Base: r}) })
	for _, r := range base {
		a.ADDQ(operand.Imm(uint64(a.size())), r)
	}
	a.SUBQ(operand.Imm(uint64(a.lanes)), left)
	a.CMPQ(left, operand.Imm(uint64(a.lanes)))
	a.JGE(operand.LabelRef("whole"))
	a.Label("rest")
	a.TESTQ(left, left)
	a.JZ(operand.LabelRef("done"))
	step(a.masked(left))
	a.Label("done")
	a.end()
}

// masked gives reads and writes of the first count lanes; the others read as 0.
func (a *asm) masked(count reg.GPVirtual) (get func(reg.GPVirtual) reg.VecVirtual, put func(reg.VecVirtual, reg.GPVirtual)) {
	if a.lanes == 8 {
		table := a.StaticGlobal("lanes" + a.name)
		a.DataAttributes(readOnly)
		for i := range 2 * a.lanes {
			word := operand.U32(0)
			if i < a.lanes {
				word = ^word
			}
			a.AppendDatum(word)
		}
		from, mask := a.GP64(), a.vec()
		a.LEAQ(table.Offset(4*a.lanes), from)
		back := a.GP64()
		a.MOVQ(count, back)
		a.NEGQ(back)
		a.VMOVUPS(at(from, back, 4, 0), mask)
		return func(r reg.GPVirtual) reg.VecVirtual {
				v := a.vec()
				a.VMASKMOVPS(operand.Mem{Base: r}, mask, v)
				return v
			}, func(v reg.VecVirtual, r reg.GPVirtual) {
				a.VMASKMOVPS(v, mask, operand.Mem{Base: r})
			}
	}
	bits, mask := a.GP64(), a.K()
	a.XORQ(bits, bits)
	a.BTSQ(count, bits)
	a.DECQ(bits)
	a.KMOVW(bits.As32(), mask)
	return func(r reg.GPVirtual) reg.VecVirtual {
			v := a.vec()
			a.VMOVUPS_Z(operand.Mem{Base: r}, mask, v)
			return v
		}, func(v reg.VecVirtual, r reg.GPVirtual) {
			a.VMOVUPS(v, mask, operand.Mem{Base: r})
		}
}

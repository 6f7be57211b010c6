package main

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// times is x y in a new column.
func (a *asm) times(x, y column) column {
	v := a.vecs(len(x))
	for i := range v {
		a.VMULPS(y[i], x[i], v[i])
	}
	return v
}

// slope is x (1 - x) of a sigmoid, or 1 - x² of a hyperbolic tangent, in a new column: one
// rounding.
func (a *asm) slope(x column, tangent bool) column {
	v := a.vecs(len(x))
	for i := range v {
		if tangent {
			one := a.spread(1)
			a.VMOVAPS(one, v[i])
			a.VFNMADD231PS(x[i], x[i], v[i])
		} else {
			a.VMOVAPS(x[i], v[i])
			a.VFNMADD231PS(x[i], x[i], v[i])
		}
	}
	return v
}

// lstmBack emits LSTMBack.
func (a *asm) lstmBack() {
	a.function("lstmBack", "(rows, width int, gates, cell, squash, dhidden, dnext, dz *float32)",
		"takes back the gates of rows cells: rows is at least 1, width a positive multiple of 16.")
	gates, dz, w := a.load("gates"), a.load("dz"), a.bytes("width")
	w3 := a.GP64()
	a.LEAQ(at(w, w, 2, 0), w3)
	gate, d := blocks(gates, w, w3), blocks(dz, w, w3)
	cell, squash, dhidden, dnext := a.load("cell"), a.load("squash"), a.load("dhidden"), a.load("dnext")
	a.columns(4, func(place reg.GPVirtual) {
		in := func(base reg.GPVirtual) operand.Mem { return at(base, place, 1, 0) }
		dh, s := a.read(in(dhidden)), a.read(in(squash))
		o := a.read(gate[3])
		dho := a.times(dh, o)
		dc := a.read(in(dnext))
		slope := a.slope(s, true)
		for i := range dc {
			a.VFMADD231PS(slope[i], dho[i], dc[i])
		}
		a.write(a.times(a.times(dh, s), a.slope(o, false)), d[3])
		i, g := a.read(gate[0]), a.read(gate[2])
		a.write(a.times(a.times(dc, g), a.slope(i, false)), d[0])
		a.write(a.times(a.times(dc, i), a.slope(g, true)), d[2])
		f := a.read(gate[1])
		a.write(a.times(a.times(dc, a.read(in(cell))), a.slope(f, false)), d[1])
		a.write(a.times(dc, f), in(dnext))
	}, gates, dz)
	a.end()
}

// gru emits GRU.
func (a *asm) gru() {
	a.function("gru", "(rows, width int, zx, zh, hidden, next *float32)",
		"computes the gates of rows units: rows is at least 1, width a positive multiple of 16.")
	zx, zh, w := a.load("zx"), a.load("zh"), a.bytes("width")
	x, h := blocks(zx, w, w), blocks(zh, w, w)
	hidden, next := a.load("hidden"), a.load("next")
	a.columns(3, func(place reg.GPVirtual) {
		r, z := a.plus(a.read(x[0]), h[0]), a.plus(a.read(x[1]), h[1])
		if a.registers >= 32 {
			a.sigmoid(append(r, z...)...)
		} else {
			a.sigmoid(r...)
			a.sigmoid(z...)
		}
		a.write(r, x[0])
		a.write(z, x[1])
		n := a.read(x[2])
		for i := range n {
			a.VFMADD231PS(h[2].Offset(i*a.size()), r[i], n[i])
		}
		a.tanh(n...)
		a.write(n, x[2])
		d := a.read(at(hidden, place, 1, 0))
		for i := range d {
			a.VSUBPS(n[i], d[i], d[i])
			a.VFMADD231PS(d[i], z[i], n[i])
		}
		a.write(n, at(next, place, 1, 0))
	}, zx, zh)
	a.end()
}

// plus adds what is at m to x.
func (a *asm) plus(x column, m operand.Mem) column {
	for i := range x {
		a.VADDPS(m.Offset(i*a.size()), x[i], x[i])
	}
	return x
}

// gruBack emits GRUBack.
func (a *asm) gruBack() {
	a.function("gruBack", "(rows, width int, gates, zh, hidden, dnext, dzx, dzh *float32)",
		"takes back the gates of rows units: rows is at least 1, width a positive multiple of 16.")
	gates, zh, dzx, dzh, w := a.load("gates"), a.load("zh"), a.load("dzx"), a.load("dzh"), a.bytes("width")
	gate, h, dx, dh := blocks(gates, w, w), blocks(zh, w, w), blocks(dzx, w, w), blocks(dzh, w, w)
	hidden, dnext := a.load("hidden"), a.load("dnext")
	a.columns(3, func(place reg.GPVirtual) {
		d, z, n := a.read(at(dnext, place, 1, 0)), a.read(gate[1]), a.read(gate[2])
		dn := a.times(d, a.slope(n, true))
		one := a.spread(1)
		for i := range d {
			rest := a.vec()
			a.VSUBPS(z[i], one, rest)
			a.VMULPS(rest, dn[i], dn[i])
		}
		before := a.read(at(hidden, place, 1, 0))
		for i := range before {
			a.VSUBPS(n[i], before[i], before[i])
		}
		du := a.times(a.times(d, before), a.slope(z, false))
		a.write(a.times(d, z), at(dnext, place, 1, 0))
		r := a.read(gate[0])
		dr := a.times(a.times(dn, a.read(h[2])), a.slope(r, false))
		a.write(dr, dx[0])
		a.write(dr, dh[0])
		a.write(du, dx[1])
		a.write(du, dh[1])
		a.write(dn, dx[2])
		a.write(a.times(dn, r), dh[2])
	}, gates, zh, dzx, dzh)
	a.end()
}

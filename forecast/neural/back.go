package neural

// transposed holds the matrices that errors flow back through.
type transposed struct {
	wx, wh [][]float32 // by layer; wx of layer 0 is nil: nothing lies below
	head   []float32
}

// transpose returns the matrices of n, rows and columns exchanged, into t.
func (n *Network) transpose(t *transposed) {
	if t.wx == nil {
		t.wx, t.wh = make([][]float32, n.shape.Layers), make([][]float32, n.shape.Layers)
		for l := range t.wh {
			t.wh[l] = make([]float32, n.at.sums*n.at.width)
			if l > 0 {
				t.wx[l] = make([]float32, n.at.sums*n.at.width)
			}
		}
		t.head = make([]float32, n.at.out*n.at.width)
	}
	turn := func(dst []float32, from, rows, columns int) {
		for i := range rows {
			for j, v := range n.params[from+i*columns : from+(i+1)*columns] {
				dst[j*n.at.width+i] = v
			}
		}
	}
	for l, p := range n.at.layers {
		turn(t.wh[l], p.wh, n.shape.Units, n.at.sums)
		if l > 0 {
			turn(t.wx[l], p.wx, n.shape.Units, n.at.sums)
		}
	}
	turn(t.head, n.at.head.wx, n.shape.Units, n.at.out)
}

// dOutput is where the derivative of the loss by Output(t, b) goes before backward.
func (p *Pass) dOutput(t, b int) []float32 {
	if p.dout == nil {
		p.dout = make([]float32, len(p.out))
	}
	at := (t*p.batch + b) * p.at.out
	return p.dout[at : at+p.shape.Outputs]
}

// backward adds to grad, laid out like the parameters, the derivatives of the loss whose
// derivatives by the outputs of the steps from on are in p. It must follow the Forward
// of n with the same p, whose values it uses up.
func (n *Network) backward(p *Pass, from int, turned *transposed, grad []float32) {
	at, width, rows := &n.at, n.at.width, p.steps*p.batch
	if p.dc == nil {
		p.dh = [2][]float32{make([]float32, rows*width), make([]float32, rows*width)}
		p.dc = make([]float32, p.batch*width)
		if n.shape.Cell == GRU {
			p.dzh = make([]float32, rows*at.sums)
		}
	}
	one, first := p.batch*width, from*p.batch
	dh := p.dh[0]
	clear(dh)
	dout := p.dout[first*at.out : rows*at.out]
	top := p.layers[len(p.layers)-1].hidden
	n.loops.Gemm(rows-first, width, at.out, dout, at.out, 1, turned.head, width, dh[first*width:], width)
	n.loops.Gemm(n.shape.Units, at.out, rows-first, top[first*width:], 1, width, dout, at.out, grad[at.head.wx:], at.out)
	columns(grad[at.head.bx:at.head.bx+at.out], dout)
	for l := len(p.layers) - 1; l >= 0; l-- {
		v, pl := &p.layers[l], &at.layers[l]
		clear(p.dc)
		for t := p.steps - 1; t >= 0; t-- {
			row := t * one
			z := v.sums[t*p.batch*at.sums : (t+1)*p.batch*at.sums]
			dz, cell, before := z, p.zero, p.zero
			if t > 0 {
				before = v.hidden[row-one : row]
			}
			if n.shape.Cell == GRU {
				zh := v.zh[t*p.batch*at.sums : (t+1)*p.batch*at.sums]
				dz = p.dzh[t*p.batch*at.sums : (t+1)*p.batch*at.sums]
				n.loops.GRUBack(p.batch, width, z, zh, before, dh[row:row+one], z, dz)
				if t > 0 {
					addTo(dh[row-one:row], dh[row:row+one])
				}
			} else {
				if t > 0 {
					cell = v.cell[row-one : row]
				}
				n.loops.LSTMBack(p.batch, width, z, cell, v.squash[row:row+one], dh[row:row+one], p.dc, z)
			}
			if t > 0 {
				n.loops.Gemm(p.batch, width, at.sums, dz, at.sums, 1, turned.wh[l], width, dh[row-one:row], width)
			}
		}
		dz, dzh := v.sums, v.sums
		if n.shape.Cell == GRU {
			dzh = p.dzh
		}
		n.loops.Gemm(pl.inputs, at.sums, rows, v.in, 1, pl.stride, dz, at.sums, grad[pl.wx:], at.sums)
		n.loops.Gemm(n.shape.Units, at.sums, rows-p.batch, v.hidden, 1, width, dzh[p.batch*at.sums:], at.sums, grad[pl.wh:], at.sums)
		columns(grad[pl.bx:pl.bx+at.sums], dz)
		columns(grad[pl.bh:pl.bh+at.sums], dzh)
		if l > 0 {
			below := p.dh[1]
			clear(below)
			n.loops.Gemm(rows, width, at.sums, dz, at.sums, 1, turned.wx[l], width, below, width)
			p.dh[0], p.dh[1] = below, dh
			dh = below
		}
	}
}

// columns adds the rows of m to sum.
func columns(sum, m []float32) {
	for ; len(m) > 0; m = m[len(sum):] {
		addTo(sum, m[:len(sum)])
	}
}

func addTo(dst, src []float32) {
	for i, v := range src {
		dst[i] += v
	}
}

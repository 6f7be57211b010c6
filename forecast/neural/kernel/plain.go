package kernel

import "math"

// Plain is the implementation in Go, the one that says what the others have to do.
var Plain = Set{Name: "plain", Gemm: gemm, LSTM: lstm, Steps: steps, LSTMBack: lstmBack, GRU: gru, GRUBack: gruBack, Adam: adam}

func gemm(m, n, k int, a []float32, rs, cs int, b []float32, ldb int, c []float32, ldc int) {
	if !checkGemm(m, n, k, a, rs, cs, b, ldb, c, ldc) {
		return
	}
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		for p := range k {
			s := a[i*rs+p*cs]
			for j, v := range b[p*ldb : p*ldb+n] {
				row[j] += s * v
			}
		}
	}
}

func lstm(rows, width int, z, cell, next, squash, hidden []float32) {
	if !checkLSTM(rows, width, z, cell, next, squash, hidden) {
		return
	}
	for r := range rows {
		i, f, g, o := blocks4(z, r, width)
		at := r * width
		for j := range width {
			i[j], f[j], g[j], o[j] = sigmoid(i[j]), sigmoid(f[j]), tanh(g[j]), sigmoid(o[j])
			next[at+j] = f[j]*cell[at+j] + i[j]*g[j]
			s := tanh(next[at+j])
			squash[at+j] = s
			hidden[at+j] = o[j] * s
		}
	}
}

func steps(steps, units, width int, z, wh, cell, hidden []float32) {
	if !checkSteps(steps, units, width, z, wh, cell, hidden) {
		return
	}
	for t := range steps {
		row, h := z[t*4*width:(t+1)*4*width], hidden[t*width:(t+1)*width]
		if t > 0 {
			gemm(1, 4*width, units, hidden[(t-1)*width:t*width], width, 1, wh, 4*width, row, 4*width)
		}
		lstm(1, width, row, cell, cell, h, h)
	}
}

func lstmBack(rows, width int, gates, cell, squash, dhidden, dnext, dz []float32) {
	if !checkLSTMBack(rows, width, gates, cell, squash, dhidden, dnext, dz) {
		return
	}
	for r := range rows {
		i, f, g, o := blocks4(gates, r, width)
		di, df, dg, do := blocks4(dz, r, width)
		at := r * width
		for j := range width {
			iv, fv, gv, ov, s, dh := i[j], f[j], g[j], o[j], squash[at+j], dhidden[at+j]
			dc := dnext[at+j] + dh*ov*(1-s*s)
			di[j] = dc * gv * iv * (1 - iv)
			df[j] = dc * cell[at+j] * fv * (1 - fv)
			dg[j] = dc * iv * (1 - gv*gv)
			do[j] = dh * s * ov * (1 - ov)
			dnext[at+j] = dc * fv
		}
	}
}

func gru(rows, width int, zx, zh, hidden, next []float32) {
	if !checkGRU(rows, width, zx, zh, hidden, next) {
		return
	}
	for row := range rows {
		r, z, n := blocks3(zx, row, width)
		hr, hz, hn := blocks3(zh, row, width)
		at := row * width
		for j := range width {
			r[j] = sigmoid(r[j] + hr[j])
			z[j] = sigmoid(z[j] + hz[j])
			n[j] = tanh(n[j] + r[j]*hn[j])
			next[at+j] = n[j] + z[j]*(hidden[at+j]-n[j])
		}
	}
}

func gruBack(rows, width int, gates, zh, hidden, dnext, dzx, dzh []float32) {
	if !checkGRUBack(rows, width, gates, zh, hidden, dnext, dzx, dzh) {
		return
	}
	for row := range rows {
		r, z, n := blocks3(gates, row, width)
		_, _, hn := blocks3(zh, row, width)
		xr, xz, xn := blocks3(dzx, row, width)
		gr, gz, gn := blocks3(dzh, row, width)
		at := row * width
		for j := range width {
			rv, zv, nv, d := r[j], z[j], n[j], dnext[at+j]
			dn := d * (1 - zv) * (1 - nv*nv)
			dr := dn * hn[j] * rv * (1 - rv)
			dz := d * (hidden[at+j] - nv) * zv * (1 - zv)
			xr[j], xz[j], xn[j] = dr, dz, dn
			gr[j], gz[j], gn[j] = dr, dz, dn*rv
			dnext[at+j] = d * zv
		}
	}
}

func adam(p Adam, w, g, m, v []float32) {
	if !checkAdam(w, g, m, v) {
		return
	}
	for i := range w {
		m[i] = p.Beta1*m[i] + (1-p.Beta1)*g[i]
		v[i] = p.Beta2*v[i] + (1-p.Beta2)*g[i]*g[i]
		w[i] = w[i]*p.Keep - p.Rate*m[i]/(float32(math.Sqrt(float64(v[i])))*p.Root+p.Epsilon)
	}
}

// sigmoid is 1 / (1 + exp(-x)), rounded from float64.
func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

// tanh is that of package math, rounded.
func tanh(x float32) float32 { return float32(math.Tanh(float64(x))) }

func blocks4(z []float32, row, width int) (i, f, g, o []float32) {
	z = z[row*4*width : (row+1)*4*width]
	return z[:width], z[width : 2*width], z[2*width : 3*width], z[3*width:]
}

func blocks3(z []float32, row, width int) (r, u, n []float32) {
	z = z[row*3*width : (row+1)*3*width]
	return z[:width], z[width : 2*width], z[2*width:]
}

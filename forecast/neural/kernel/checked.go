package kernel

// The loops, and above all those in assembly, know only where slices begin. The functions
// here look at the lengths first: whatever passes reads and writes nothing outside them.

// checkGemm panics when a product does not fit its slices; it reports whether there is
// anything to do.
func checkGemm(m, n, k int, a []float32, rs, cs int, b []float32, ldb int, c []float32, ldc int) bool {
	// Below 2^31 no product of two of them overflows, and none is negative.
	if uint64(m|n|k|rs|cs|ldb|ldc)>>31 != 0 || n%Lanes != 0 {
		panic("kernel: Gemm: a size is negative, too large or no multiple of Lanes")
	}
	if m == 0 || n == 0 || k == 0 {
		return false
	}
	_, _, _ = a[(m-1)*rs+(k-1)*cs], b[(k-1)*ldb+n-1], c[(m-1)*ldc+n-1]
	return true
}

// checkGates is the number of floats in rows of width.
func checkGates(rows, width int) int {
	if uint64(rows|width)>>31 != 0 || width%Lanes != 0 {
		panic("kernel: a size is negative, too large or no multiple of Lanes")
	}
	return rows * width
}

func checkLSTM(rows, width int, z, cell, next, squash, hidden []float32) bool {
	n := checkGates(rows, width)
	if n == 0 {
		return false
	}
	_, _, _, _, _ = z[4*n-1], cell[n-1], next[n-1], squash[n-1], hidden[n-1]
	return true
}

func checkSteps(steps, units, width int, z, wh, cell, hidden []float32) bool {
	n := checkGates(steps, width)
	if units < 0 || units > width {
		panic("kernel: Steps: more units than width, or less than none")
	}
	if n == 0 {
		return false
	}
	_, _, _ = z[4*n-1], cell[width-1], hidden[n-1]
	if units > 0 {
		_ = wh[4*units*width-1]
	}
	return true
}

func checkLSTMBack(rows, width int, gates, cell, squash, dhidden, dnext, dz []float32) bool {
	n := checkGates(rows, width)
	if n == 0 {
		return false
	}
	_, _, _, _, _, _ = gates[4*n-1], cell[n-1], squash[n-1], dhidden[n-1], dnext[n-1], dz[4*n-1]
	return true
}

func checkGRU(rows, width int, zx, zh, hidden, next []float32) bool {
	n := checkGates(rows, width)
	if n == 0 {
		return false
	}
	_, _, _, _ = zx[3*n-1], zh[3*n-1], hidden[n-1], next[n-1]
	return true
}

func checkGRUBack(rows, width int, gates, zh, hidden, dnext, dzx, dzh []float32) bool {
	n := checkGates(rows, width)
	if n == 0 {
		return false
	}
	_, _, _, _, _, _ = gates[3*n-1], zh[3*n-1], hidden[n-1], dnext[n-1], dzx[3*n-1], dzh[3*n-1]
	return true
}

func checkAdam(w, g, m, v []float32) bool {
	n := len(w)
	if n == 0 {
		return false
	}
	_, _, _ = g[n-1], m[n-1], v[n-1]
	return true
}

package kernel

import "golang.org/x/sys/cpu"

//go:generate go run ./internal/gen -out .

// native lists the implementations made for this processor.
func native() []Set {
	var sets []Set
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		sets = append(sets, avx2)
		if cpu.X86.HasAVX512F {
			sets = append(sets, avx512)
		}
	}
	return sets
}

var (
	avx2 = Set{
		Name: "avx2",
		Gemm: gemmBy(gemmAVX2),
		LSTM: lstmBy(lstmAVX2), Steps: stepsBy(stepsAVX2), LSTMBack: lstmBackBy(lstmBackAVX2),
		GRU: gruBy(gruAVX2), GRUBack: gruBackBy(gruBackAVX2),
		Adam: adamBy(adamAVX2),
	}
	avx512 = Set{
		Name: "avx512",
		Gemm: gemmBy(gemmAVX512),
		LSTM: lstmBy(lstmAVX512), Steps: stepsBy(stepsAVX512), LSTMBack: lstmBackBy(lstmBackAVX512),
		GRU: gruBy(gruAVX512), GRUBack: gruBackBy(gruBackAVX512),
		Adam: adamBy(adamAVX512),
	}
)

// blockOfB is how many floats of B one pass of the assembly may run over: what leaves room
// in a first cache of 32 KiB or more for C and A.
const blockOfB = 8 << 10

func gemmBy(assembly func(m, n, k int, a *float32, rs, cs int, b *float32, ldb int, c *float32, ldc int)) func(m, n, k int, a []float32, rs, cs int, b []float32, ldb int, c []float32, ldc int) {
	return func(m, n, k int, a []float32, rs, cs int, b []float32, ldb int, c []float32, ldc int) {
		if !checkGemm(m, n, k, a, rs, cs, b, ldb, c, ldc) {
			return
		}
		if block := max(blockOfB/n, Lanes); m > 1 {
			for ; k > block; k -= block {
				assembly(m, n, block, &a[0], rs, cs, &b[0], ldb, &c[0], ldc)
				a, b = a[block*cs:], b[block*ldb:]
			}
		}
		assembly(m, n, k, &a[0], rs, cs, &b[0], ldb, &c[0], ldc)
	}
}

func lstmBy(assembly func(rows, width int, z, cell, next, squash, hidden *float32)) func(rows, width int, z, cell, next, squash, hidden []float32) {
	return func(rows, width int, z, cell, next, squash, hidden []float32) {
		if checkLSTM(rows, width, z, cell, next, squash, hidden) {
			assembly(rows, width, &z[0], &cell[0], &next[0], &squash[0], &hidden[0])
		}
	}
}

func stepsBy(assembly func(steps, units, width int, z, wh, cell, hidden *float32)) func(steps, units, width int, z, wh, cell, hidden []float32) {
	return func(steps, units, width int, z, wh, cell, hidden []float32) {
		if !checkSteps(steps, units, width, z, wh, cell, hidden) {
			return
		}
		if units == 0 {
			wh = z // of which nothing is read; there may be no weights
		}
		assembly(steps, units, width, &z[0], &wh[0], &cell[0], &hidden[0])
	}
}

func lstmBackBy(assembly func(rows, width int, gates, cell, squash, dhidden, dnext, dz *float32)) func(rows, width int, gates, cell, squash, dhidden, dnext, dz []float32) {
	return func(rows, width int, gates, cell, squash, dhidden, dnext, dz []float32) {
		if checkLSTMBack(rows, width, gates, cell, squash, dhidden, dnext, dz) {
			assembly(rows, width, &gates[0], &cell[0], &squash[0], &dhidden[0], &dnext[0], &dz[0])
		}
	}
}

func gruBy(assembly func(rows, width int, zx, zh, hidden, next *float32)) func(rows, width int, zx, zh, hidden, next []float32) {
	return func(rows, width int, zx, zh, hidden, next []float32) {
		if checkGRU(rows, width, zx, zh, hidden, next) {
			assembly(rows, width, &zx[0], &zh[0], &hidden[0], &next[0])
		}
	}
}

func gruBackBy(assembly func(rows, width int, gates, zh, hidden, dnext, dzx, dzh *float32)) func(rows, width int, gates, zh, hidden, dnext, dzx, dzh []float32) {
	return func(rows, width int, gates, zh, hidden, dnext, dzx, dzh []float32) {
		if checkGRUBack(rows, width, gates, zh, hidden, dnext, dzx, dzh) {
			assembly(rows, width, &gates[0], &zh[0], &hidden[0], &dnext[0], &dzx[0], &dzh[0])
		}
	}
}

func adamBy(assembly func(n int, beta1, rest1, beta2, rest2, keep, rate, root, epsilon float32, w, g, m, v *float32)) func(p Adam, w, g, m, v []float32) {
	return func(p Adam, w, g, m, v []float32) {
		if checkAdam(w, g, m, v) {
			assembly(len(w), p.Beta1, 1-p.Beta1, p.Beta2, 1-p.Beta2, p.Keep, p.Rate, p.Root, p.Epsilon, &w[0], &g[0], &m[0], &v[0])
		}
	}
}

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
		LSTM: lstmBy(lstmAVX2),

		LSTMBack: lstmBack, GRU: gru, GRUBack: gruBack, Adam: adam,
	}
	avx512 = Set{
		Name: "avx512",
		Gemm: gemmBy(gemmAVX512),
		LSTM: lstmBy(lstmAVX512),

		LSTMBack: lstmBack, GRU: gru, GRUBack: gruBack, Adam: adam,
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

package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// product is a matrix product with its strides.
type product struct{ m, n, k, rs, cs, ldb, ldc int }

func drawProduct(t *rapid.T) product {
	p := product{
		m: rapid.IntRange(0, 40).Draw(t, "m"),
		n: kernel.Lanes * rapid.IntRange(0, 13).Draw(t, "n/16"),
		k: rapid.IntRange(0, 40).Draw(t, "k"),
	}
	if rapid.IntRange(0, 7).Draw(t, "long") == 0 {
		p.k = rapid.IntRange(500, 1100).Draw(t, "long k")
	}
	if rapid.Bool().Draw(t, "transposed") {
		p.rs, p.cs = 1, p.m+rapid.IntRange(0, 3).Draw(t, "more columns of A")
	} else {
		p.rs, p.cs = p.k+rapid.IntRange(0, 3).Draw(t, "more columns of A"), 1
	}
	p.ldb = p.n + kernel.Lanes*rapid.IntRange(0, 2).Draw(t, "more columns of B")
	p.ldc = p.n + kernel.Lanes*rapid.IntRange(0, 2).Draw(t, "more columns of C")
	return p
}

// lengths is how many floats of A, B and C the product touches.
func (p product) lengths() (a, b, c int) {
	if p.m == 0 || p.n == 0 || p.k == 0 {
		return 0, 0, 0
	}
	return (p.m-1)*p.rs + (p.k-1)*p.cs + 1, (p.k-1)*p.ldb + p.n, (p.m-1)*p.ldc + p.n
}

func (p product) run(k kernel.Set, a, b, c []float32) {
	k.Gemm(p.m, p.n, p.k, a, p.rs, p.cs, b, p.ldb, c, p.ldc)
}

func TestGemmAgreesWithPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, rng := drawProduct(t), drawRand(t)
		a, b, c := p.lengths()
		s := []fenced{drawFenced(t, rng, a, 1), drawFenced(t, rng, b, 1), drawFenced(t, rng, c, 1)}
		// Two orders of k+1 additions, each off by half an ulp of a sum below k+1; as the
		// errors are as often up as down, far less in truth.
		agree(t, 1e-6*math.Sqrt(float64(p.k+1))+1e-7*float64(p.k), s, func(k kernel.Set, s [][]float32) { p.run(k, s[0], s[1], s[2]) })
	})
}

// TestGemmRowsDoNotDependOnEachOther is what lets a window be forecast alone or in a batch,
// and a batch be cut into shards, with the same answer.
func TestGemmRowsDoNotDependOnEachOther(t *testing.T) {
	for _, k := range kernel.All() {
		rapid.Check(t, func(t *rapid.T) {
			p, rng := drawProduct(t), drawRand(t)
			la, lb, lc := p.lengths()
			a, b, c := noise(rng, la), noise(rng, lb), noise(rng, lc)
			whole := append([]float32(nil), c...)
			p.run(k, a, b, whole)
			for i := range min(p.m, lc) {
				one := p
				one.m = 1
				row := append([]float32(nil), c[i*p.ldc:i*p.ldc+p.n]...)
				one.run(k, a[min(i*p.rs, la):], b, row)
				if !same(row, whole[i*p.ldc:i*p.ldc+p.n]) {
					t.Fatalf("%s: row %d differs when computed alone", k.Name, i)
				}
			}
		})
	}
}

func TestGemmKeepsInfAndNaN(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, k := range kernel.All() {
		for _, m := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9} {
			a, b, c := make([]float32, 3*m), make([]float32, 3*32), make([]float32, 32*m)
			a[3*m-2], b[32+5], b[32+6], b[32+31] = 1, inf, nan, 7
			k.Gemm(m, 32, 3, a, 3, 1, b, 32, c, 32)
			last := c[32*(m-1):]
			if last[5] != inf || last[6] == last[6] || last[31] != 7 || last[4] != 0 {
				t.Errorf("%s: %v", k.Name, last)
			}
		}
	}
}

func TestGemmPanicsBeyondItsSlices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	whole := product{m: 5, n: 32, k: 3, rs: 3, cs: 1, ldb: 32, ldc: 48}
	a, b, c := whole.lengths()
	for _, test := range []struct {
		name    string
		p       product
		a, b, c int
	}{
		{"A", whole, a - 1, b, c},
		{"B", whole, a, b - 1, c},
		{"C", whole, a, b, c - 1},
		{"all empty", whole, 0, 0, 0},
		{"n no multiple", product{m: 1, n: 8, k: 1, rs: 1, cs: 1, ldb: 8, ldc: 8}, 1, 8, 8},
		{"negative m", product{m: -1, n: 16, k: 1, rs: 1, cs: 1, ldb: 16, ldc: 16}, 1, 16, 16},
		{"negative k", product{m: 1, n: 16, k: -1, rs: 1, cs: 1, ldb: 16, ldc: 16}, 1, 16, 16},
		{"negative n", product{m: 1, n: -16, k: 1, rs: 1, cs: 1, ldb: 16, ldc: 16}, 1, 16, 16},
		{"negative stride", product{m: 2, n: 16, k: 2, rs: -1, cs: 1, ldb: 16, ldc: 16}, 4, 32, 32},
		{"strides that overflow", product{m: 5, n: 16, k: 1, rs: 1 << 62, cs: 1, ldb: 16, ldc: 16}, 4, 32, 80},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, k := range kernel.All() {
				if !panics(func() { test.p.run(k, noise(rng, test.a), noise(rng, test.b), noise(rng, test.c)) }) {
					t.Errorf("%s does not panic", k.Name)
				}
			}
		})
	}
}

func TestGemmDoesNotAllocate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a, b, c := noise(rng, 32*300), noise(rng, 300*64), noise(rng, 32*64)
	for _, k := range kernel.All() {
		withoutAllocation(t, k.Name, func() { k.Gemm(32, 64, 300, a, 300, 1, b, 64, c, 64) })
	}
}

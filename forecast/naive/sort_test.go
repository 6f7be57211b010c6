package naive

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSortReturns(t *testing.T) {
	generators := map[string]*rapid.Generator[float64]{
		"returns":           rapid.Float64Range(-0.05, 0.05),
		"few values":        rapid.Map(rapid.IntRange(-2, 2), func(i int) float64 { return float64(i) * 1e-4 }),
		"any number":        rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64),
		"smallest numbers":  rapid.Float64Range(-1e-310, 1e-310),
		"one end far off":   rapid.Map(rapid.Float64Range(0, 1), func(f float64) float64 { return math.Pow(f, 400) }),
		"tiny differences":  rapid.Map(rapid.IntRange(0, 50), func(i int) float64 { return 1 + float64(i)*0x1p-52 }),
		"huge among little": rapid.OneOf(rapid.Float64Range(-1e-9, 1e-9), rapid.Just(1e9)),
	}
	for name, g := range generators {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				x := rapid.SliceOfN(g, 1, 2*maxBucketed).Draw(t, "x")
				want := slices.Clone(x)
				slices.Sort(want)
				sortReturns(x)
				if !slices.Equal(x, want) {
					t.Fatalf("got %v, want %v", x, want)
				}
			})
		})
	}
}

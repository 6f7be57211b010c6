package score

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Models whose losses differ only by noise stay; one that is worse by much more than
// the noise leaves; and the best is never left out.
func TestConfidenceSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n = 1000
	losses := make([][]float64, 4)
	for i := range n {
		common := 1 + 0.5*math.Sin(float64(i)/30)
		for m := range losses {
			if i == 0 {
				losses[m] = make([]float64, n)
			}
			losses[m][i] = common + 0.2*rng.NormFloat64()
		}
		losses[2][i] += 0.1 // six standard errors and more
	}
	c, err := ConfidenceSet(t.Context(), losses, 0.1, 10, 1000, rand.New(rand.NewPCG(1, 2)))
	if err != nil || !slices.Equal(c.Members, []int{0, 1, 3}) || c.P[2] >= 0.1 {
		t.Errorf("%+v, %v", c, err)
	}
	again, err := ConfidenceSet(t.Context(), losses, 0.1, 10, 1000, rand.New(rand.NewPCG(1, 2)))
	if err != nil || !slices.Equal(again.P, c.P) {
		t.Errorf("the same seed gave %+v, %v", again, err)
	}
	same, err := ConfidenceSet(t.Context(), [][]float64{losses[0], losses[0]}, 0.1, 10, 100, rand.New(rand.NewPCG(1, 2)))
	if err != nil || len(same.Members) != 2 {
		t.Errorf("equal models: %+v, %v", same, err)
	}
	for name, l := range map[string][][]float64{"one model": losses[:1], "too short": {losses[0][:50], losses[1][:50]}, "NaN": {append(slices.Clone(losses[0][:999]), math.NaN()), losses[1]}} {
		if _, err := ConfidenceSet(t.Context(), l, 0.1, 10, 100, rng); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The same set found the slow way: resampled losses one by one, differences of each
// model to each.
func TestConfidenceSetTheSlowWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		models := rapid.IntRange(2, 6).Draw(t, "models")
		block := rapid.IntRange(1, 7).Draw(t, "block")
		n := rapid.IntRange(10*block, 10*block+30).Draw(t, "losses")
		seed := rapid.Uint64().Draw(t, "seed")
		const reps = 60
		rng := rand.New(rand.NewPCG(seed, 1))
		losses := make([][]float64, models)
		for m := range losses {
			for range n {
				losses[m] = append(losses[m], 1+0.3*rng.NormFloat64()+0.1*float64(m*rng.IntN(2)))
			}
		}
		got, err := ConfidenceSet(t.Context(), losses, 0.2, block, reps, rand.New(rand.NewPCG(seed, 2)))
		if err != nil {
			t.Fatal(err)
		}

		rng = rand.New(rand.NewPCG(seed, 2))
		origins := make([][]int, reps)
		for b := range origins {
			for len(origins[b]) < n {
				at := rng.IntN(n)
				for k := 0; k < block && len(origins[b]) < n; k++ {
					origins[b] = append(origins[b], (at+k)%n)
				}
			}
		}
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		// The mean of loss differences of model m to those in the set.
		distance := func(m int, set, origins []int) (d float64) {
			for _, k := range set {
				for _, i := range origins {
					d += losses[m][i] - losses[k][i]
				}
			}
			return d / float64(len(origins)*len(set))
		}
		set := make([]int, models)
		for m := range set {
			set[m] = m
		}
		want := make([]float64, models)
		var members []int
		highest := 0.0
		for len(set) > 1 {
			stat := math.Inf(-1)
			worst := 0
			tops := make([]float64, reps)
			for b := range tops {
				tops[b] = math.Inf(-1)
			}
			for i, m := range set {
				d := distance(m, set, all)
				var v float64
				ds := make([]float64, reps)
				for b := range ds {
					ds[b] = distance(m, set, origins[b]) - d
					v += ds[b] * ds[b] / reps
				}
				if x := d / math.Sqrt(v); x > stat {
					stat, worst = x, i
				}
				for b := range ds {
					tops[b] = math.Max(tops[b], ds[b]/math.Sqrt(v))
				}
			}
			beyond := 0
			for _, top := range tops {
				if top >= stat {
					beyond++
				}
			}
			highest = math.Max(highest, float64(beyond)/reps)
			if highest >= 0.2 && members == nil {
				members = slices.Clone(set)
			}
			want[set[worst]] = highest
			set = slices.Delete(set, worst, worst+1)
		}
		want[set[0]] = 1
		if members == nil {
			members = set
		}
		if !slices.Equal(got.Members, members) || !slices.Equal(got.P, want) {
			t.Fatalf("%+v, the slow way has %v and %v", got, members, want)
		}
	})
}

// Over many draws the truly best model is in the set at least as often as promised.
func TestConfidenceSetCoverage(t *testing.T) {
	const runs, n = 200, 200
	in := 0
	for run := range runs {
		rng := rand.New(rand.NewPCG(uint64(run), 9))
		losses := make([][]float64, 3)
		for m := range losses {
			losses[m] = make([]float64, n)
			for i := range losses[m] {
				losses[m][i] = rng.NormFloat64() + 0.05*float64(m)
			}
		}
		c, err := ConfidenceSet(t.Context(), losses, 0.1, 5, 200, rng)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(c.Members, 0) {
			in++
		}
	}
	if share := float64(in) / runs; share < 0.9-3*math.Sqrt(0.09/runs) {
		t.Errorf("the best model is in %.3f of the sets, want 0.9", share)
	}
}

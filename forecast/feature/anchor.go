package feature

import "math"

// Between places horizon among Anchors: the answer is (1-share) times that of anchor i
// plus share times that of anchor i+1, share growing with the log of the horizon. Past
// the last anchor i is the last but one and share 1. Answers must be in units of the
// spread of their horizon (see State.Spread), so that only the shape is interpolated;
// a mixture of quantiles that ascend ascends. It panics when horizon is below 1.
func Between(horizon int) (i int, share float64) {
	if horizon < 1 {
		panic("feature: a horizon must be at least 1")
	}
	for i = 0; i < len(Anchors)-2 && horizon >= Anchors[i+1]; i++ {
	}
	if horizon >= Anchors[i+1] {
		return i, 1
	}
	a, b := math.Log(float64(Anchors[i])), math.Log(float64(Anchors[i+1]))
	return i, (math.Log(float64(horizon)) - a) / (b - a)
}

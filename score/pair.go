package score

// Pair gives every score the CRPS that naive had for the same cutoff and horizon,
// which is the same target. scores are those of one target bar, from any number of
// models, cutoffs and horizons, in any order. A score for which naive has none (it
// abstained) keeps the NaN that Of left. NaiveCRPS of scores is changed in place.
func Pair(scores []Score) {
	for i := range scores {
		n := &scores[i]
		if n.Model != Naive {
			continue
		}
		for k := range scores {
			if s := &scores[k]; s.Horizon == n.Horizon && s.Cutoff == n.Cutoff {
				s.NaiveCRPS = n.CRPS
			}
		}
	}
}

package tune

import "math"

// Best gives the trial with the best score; scores[i] belongs to trials[i]. A
// tie goes to the lowest trial index. A score that isn't a finite number never
// wins, and ok is false where there is no other, or where the lengths differ.
func Best(trials []Trial, scores []float64, higherIsBetter bool) (best Trial, ok bool) {
	if len(trials) != len(scores) {
		return Trial{}, false
	}
	var top float64
	for i, score := range scores {
		if math.IsNaN(score) || math.IsInf(score, 0) {
			continue
		}
		better := score > top
		if !higherIsBetter {
			better = score < top
		}
		if !ok || better || (score == top && trials[i].Index < best.Index) {
			best, top, ok = trials[i], score, true
		}
	}
	return best, ok
}

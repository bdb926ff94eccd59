package evaluate

import "math"

// LearningCurve says what more training rows would help: the metric on held-out
// folds of the training side, and on the rows fitted on, for growing shares of
// the fold's training rows.
type LearningCurve struct {
	Metric         string          `json:"metric"`
	HigherIsBetter bool            `json:"higher_is_better"`
	Folds          int             `json:"folds"`
	Points         []LearningPoint `json:"points"`            // in ascending rows
	Stopped        string          `json:"stopped,omitempty"` // why there are no more points
}

// LearningPoint is one share of the rows.
type LearningPoint struct {
	Share  float64   `json:"share"`        // of the fold's training rows
	Rows   int       `json:"rows"`         // fitted on, mean over the folds
	Folds  []float64 `json:"scores"`       // on the rows held out, one per fold
	Fitted []float64 `json:"train_scores"` // on rows fitted on, at most 2000, one per fold
}

// Candidates compares the best trial of every algorithm.
type Candidates struct {
	Metric         string      `json:"metric"`
	HigherIsBetter bool        `json:"higher_is_better"`
	Folds          int         `json:"folds"`
	Candidates     []Candidate `json:"candidates"` // best first, then those that were stopped, then those without a score
}

// Candidate is the best trial of one algorithm.
type Candidate struct {
	Index     int            `json:"candidate"` // in the pipeline file, from 0
	Algorithm string         `json:"algorithm"`
	Selected  bool           `json:"selected"`
	Trial     int            `json:"trial"`  // its number, from 1
	Trials    int            `json:"trials"` // of the algorithm
	Failed    int            `json:"failed,omitempty"`
	Params    map[string]any `json:"params"`
	Mean      float64        `json:"mean"`
	Std       float64        `json:"std"` // over the folds, population
	Scores    []float64      `json:"scores"`
	Wall      float64        `json:"wall_seconds"`      // of the trial
	CPU       float64        `json:"cpu_seconds"`       // likewise
	Memory    int64          `json:"peak_memory_bytes"` // of the process, likewise
	AllWall   float64        `json:"all_wall_seconds"`  // of all trials of the algorithm
	Stopped   bool           `json:"stopped,omitempty"` // scored on some of the folds only: successive halving left it there, or the time limit
	Failure   string         `json:"failure,omitempty"` // why it has no score; mean and std mean nothing then
}

// Spread gives the mean and the population standard deviation of scores; NaN
// without any.
func Spread(scores []float64) (m, std float64) {
	if len(scores) == 0 {
		return math.NaN(), math.NaN()
	}
	return meanStd(scores)
}

// ConfusionMatrix counts the rows of each true class by the class predicted.
// Beyond 20 classes the rarer ones are taken together as the last one.
type ConfusionMatrix struct {
	Rows    int      `json:"rows"`
	Classes []string `json:"classes"`
	Counts  [][]int  `json:"counts"` // [true][predicted]
	Folded  int      `json:"classes_taken_together,omitempty"`
}

// mostConfused is the number of classes that a confusion matrix shows.
const mostConfused = 20

// NewConfusionMatrix counts a classification; ok is false for anything else and
// without rows.
func NewConfusionMatrix(o Observed, classNames []string) (out ConfusionMatrix, ok bool) {
	all := Confusion(o)
	if all == nil || len(o.Y) == 0 || len(classNames) != o.Classes {
		return out, false
	}
	out.Rows = len(o.Y)
	if o.Classes <= mostConfused {
		out.Classes, out.Counts = classNames, all
		return out, true
	}
	shown := mostFrequent(o, mostConfused-1)
	place := make([]int, o.Classes)
	for c := range place {
		place[c] = len(shown)
	}
	for i, c := range shown {
		place[c] = i
		out.Classes = append(out.Classes, classNames[c])
	}
	out.Folded = o.Classes - len(shown)
	out.Classes = append(out.Classes, "all others")
	out.Counts = make([][]int, len(out.Classes))
	for i := range out.Counts {
		out.Counts[i] = make([]int, len(out.Classes))
	}
	for t := range all {
		for p, n := range all[t] {
			out.Counts[place[t]][place[p]] += n
		}
	}
	return out, true
}

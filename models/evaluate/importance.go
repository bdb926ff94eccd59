package evaluate

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/perennial-ml/perennial/stats"
)

// Importance says how much worse a model gets when one column's values are
// shuffled among the rows, so that they say nothing any more: permutation
// importance (Breiman, "Random Forests", 2001; scikit-learn's
// permutation_importance). Columns that say the same share it: each alone can
// look unimportant.
type Importance struct {
	Metric   string              `json:"metric"`
	Score    float64             `json:"score"`   // of the rows as they are
	Rows     int                 `json:"rows"`    // shuffled and scored
	Of       int                 `json:"of_rows"` // evaluated rows, from which Rows were chosen at random
	Repeats  int                 `json:"repeats"`
	Features []FeatureImportance `json:"features"`               // most important first
	Left     []string            `json:"not_measured,omitempty"` // the time was up before these
}

// FeatureImportance is one column's.
type FeatureImportance struct {
	Name  string    `json:"name"`
	Mean  float64   `json:"mean"` // by how much the metric gets worse; negative: better
	Std   float64   `json:"std"`  // over the repeats, population
	Drops []float64 `json:"drops"`
}

// Shuffling is what Permutation needs to know.
type Shuffling struct {
	Metric   Metric
	Features []string
	Rows     int // evaluated rows
	Seed     int64
	Budget   int           // predictions, at least; default 200,000
	Time     time.Duration // no new column after so long; default 5 s
	// Observe predicts rows, given as positions among the evaluated ones. Where
	// feature isn't -1, row i has that column's value from row order[i].
	Observe func(rows []int, feature int, order []int) (Observed, error)
}

// The sizes of a permutation importance.
const (
	mostRepeats  = 5
	fewestRows   = 100
	streamRows   = 0x726f7773
	streamColumn = 0x636f6c00
)

// Permutation measures the importance of each column. The rows, chosen by the
// seed, are as many as the budget of predictions allows for 5 repeats of every
// column, at least 100; each column's shuffles are streams of their own. Equal
// inputs give equal numbers, unless the time is up. ok is false where the metric
// can't be measured on the rows.
func Permutation(ctx context.Context, in Shuffling) (out Importance, ok bool, err error) {
	rows := in.choose()
	began := time.Now()
	as, err := in.Observe(rows, -1, nil)
	if err != nil {
		return out, false, err
	}
	score, ok := in.Metric.Measure(as)
	if !ok || len(in.Features) == 0 {
		return out, false, nil
	}
	out = Importance{Metric: in.Metric.Name, Score: score, Rows: len(rows), Of: in.Rows, Repeats: mostRepeats}
	limit := in.Time
	if limit == 0 {
		limit = 5 * time.Second
	}
	for f, name := range in.Features {
		if time.Since(began) > limit {
			out.Left = in.Features[f:]
			break
		}
		found, ok, err := in.column(ctx, rows, f, score)
		if err != nil {
			return out, false, err
		}
		if !ok {
			out.Left = append(out.Left, name)
			continue
		}
		out.Features = append(out.Features, found)
	}
	slices.SortStableFunc(out.Features, func(a, b FeatureImportance) int {
		switch {
		case a.Mean > b.Mean:
			return -1
		case a.Mean < b.Mean:
			return 1
		}
		return 0
	})
	return out, len(out.Features) > 0, nil
}

// choose gives the rows to shuffle, in ascending order.
func (in *Shuffling) choose() []int {
	budget := in.Budget
	if budget == 0 {
		budget = 200_000
	}
	n := min(in.Rows, max(fewestRows, budget/max(1, mostRepeats*len(in.Features))))
	rows := stats.NewRand(in.Seed, streamRows).Perm(in.Rows)[:n]
	slices.Sort(rows)
	return rows
}

// column measures one column; ok is false where the metric is lost.
func (in *Shuffling) column(ctx context.Context, rows []int, feature int, score float64) (out FeatureImportance, ok bool, err error) {
	out = FeatureImportance{Name: in.Features[feature]}
	for repeat := range uint64(mostRepeats) {
		if err := ctx.Err(); err != nil {
			return out, false, err
		}
		order := slices.Clone(rows)
		random := stats.NewRand(in.Seed, streamColumn+uint64(feature)<<8+repeat) //nolint:gosec // an index, from 0
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		o, err := in.Observe(rows, feature, order)
		if err != nil {
			return out, false, err
		}
		v, ok := in.Metric.Measure(o)
		if !ok {
			return out, false, nil
		}
		drop := v - score
		if in.Metric.HigherIsBetter {
			drop = score - v
		}
		if math.IsInf(drop, 0) {
			return out, false, nil
		}
		out.Drops = append(out.Drops, drop)
	}
	out.Mean, out.Std = meanStd(out.Drops)
	return out, true, nil
}

// meanStd gives the mean and the population standard deviation, both finite for
// finite values.
func meanStd(values []float64) (m, std float64) {
	if m, std = plainMeanStd(values); !math.IsInf(std, 0) && !math.IsNaN(std) {
		return m, std
	}
	small := make([]float64, len(values)) // of which no sum of squares overflows
	for i, v := range values {
		small[i] = math.Ldexp(v, -600)
	}
	m, std = plainMeanStd(small)
	return math.Ldexp(m, 600), math.Ldexp(std, 600)
}

func plainMeanStd(values []float64) (m, std float64) {
	m = mean(values)
	var squares float64
	for _, v := range values {
		squares += float64((v - m) * (v - m))
	}
	return m, math.Sqrt(squares / float64(len(values)))
}

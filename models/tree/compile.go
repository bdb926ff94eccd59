package tree

import "math"

// Compiled is an ensemble in the form that predicts fastest. It is immutable and
// safe for concurrent use, and every answer has the bits of Ensemble.Predict's.
//
// A row's values are first replaced by ranks: how many of all thresholds on the
// feature are below the value. Comparisons are of small whole numbers then, NaN
// is a rank of its own, and a set of categories is a few ranges of ranks. What
// follows is one of three forms:
//
//   - tables, where no tree has more than 64 leaves (boosting): QuickScorer
//     (Lucchese et al., "QuickScorer: a fast algorithm to rank documents with
//     additive ensembles of regression trees", SIGIR 2015) with one table row
//     per feature and rank, so that a prediction is the AND of a few rows;
//   - packed nodes of 8 bytes otherwise, eight trees, or for batches four rows,
//     walked in lockstep without a branch, since a single walk waits for memory;
//   - the ensemble itself, where neither fits.
type Compiled struct {
	e     *Ensemble
	plain bool // one score, added up in float64
	ranks ranker
	table *table
	walk  *packed
}

// Compile makes the fast predictor of an ensemble. Tables take at most 32 MiB
// and 512 bytes per node; packed nodes take 16 bytes a node, and more for splits
// by scattered categories, at most four times as much. It takes about a fifth of
// a microsecond per node.
func Compile(e *Ensemble) *Compiled {
	c := &Compiled{e: e, plain: e.Scores == 1 && e.Combine&Single == 0}
	var ok bool
	if c.ranks, ok = newRanker(e); !ok {
		return c
	}
	if c.table = newTable(e, &c.ranks); c.table == nil {
		c.walk = newPacked(e, &c.ranks)
	}
	if c.table == nil && c.walk == nil {
		c.ranks = ranker{}
	}
	return c
}

// Predict answers one row, as Ensemble.Predict does. It does not allocate.
func (c *Compiled) Predict(x, out []float64) {
	switch {
	case c.table != nil:
		c.lookUp(x, out)
	case c.walk != nil:
		c.walkRow(x, out)
	default:
		c.e.Predict(x, out)
	}
}

// PredictBatch answers rows × Features values, row by row, and writes rows ×
// Outputs numbers.
func (c *Compiled) PredictBatch(x, out []float64, rows int) {
	if c.walk != nil && rows > 1 {
		c.walkRows(x, out, rows)
		return
	}
	f, o := c.e.Features, c.e.Outputs
	for i := range rows {
		c.Predict(x[i*f:(i+1)*f], out[i*o:(i+1)*o])
	}
}

// leafValue is what a leaf adds: its value, or the row of Values where the tree
// adds to all scores.
func (e *Ensemble) leafValue(t Tree, n *Node) float64 {
	if t.Score == allScores {
		return float64(n.Child)
	}
	return n.Threshold
}

// addValue adds a leafValue to the scores.
func (e *Ensemble) addValue(t Tree, v float64, out []float64) {
	if t.Score != allScores {
		out[t.Score] = e.Combine.plus(out[t.Score], v)
		return
	}
	at := int(v) * e.Scores
	for k, v := range e.Values[at : at+e.Scores] {
		out[k] = e.Combine.plus(out[k], v)
	}
}

// orderKey maps numbers but NaN to whole numbers in the same order.
func orderKey(v float64) int64 {
	b := int64(math.Float64bits(v + 0))
	return b ^ (b>>63)&math.MaxInt64
}

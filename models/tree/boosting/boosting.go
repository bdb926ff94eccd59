// Package boosting fits gradient-boosted trees (Friedman, "Greedy Function
// Approximation: A Gradient Boosting Machine", Annals of Statistics 29, 2001) on
// histograms of binned features, leaf by leaf, as Ke et al. describe in
// "LightGBM: A Highly Efficient Gradient Boosting Decision Tree" (2017), with the
// second-order objective of Chen and Guestrin, "XGBoost: A Scalable Tree Boosting
// System" (2016).
//
// Equal tables and settings give equal ensembles, bit for bit, for any number of
// threads: histograms are sums of fixed-point integers, and floating-point sums
// run over pieces whose bounds don't depend on threads.
//
// It works on tree.Table and gives tree.Ensemble; it knows nothing of schemas or
// files, and does no I/O. Start reading at Fit, then grower.grow.
package boosting

import (
	"context"
	"math"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/tree"
)

// Loss is what boosting minimises on average over the weighted rows.
type Loss string

// The losses. Log is for classification, of two classes or more; the others are
// for regression.
const (
	Squared  Loss = "squared_error"  // (y−f)²; the answer estimates the mean
	Absolute Loss = "absolute_error" // |y−f|; the answer estimates the median
	Log      Loss = "log_loss"       // −ln p of the row's class
)

// Settings sets Fit. A zero field means its default.
type Settings struct {
	Loss         Loss    // default Squared, for classes Log
	Trees        int     // iterations at most, each a tree per score; default 100
	LearningRate float64 // what a leaf's value is multiplied by, above 0 to 1; default 0.1
	Leaves       int     // leaves of a tree at most, 2 to 65,535; default 31
	MaxDepth     int     // splits from root to leaf at most; 0: no limit
	MinLeaf      int     // rows of a leaf at least; default 20
	MinGain      float64 // what the summed loss (squared error: its half) must fall by twice over, as in LightGBM
	L1, L2       float64 // penalties on a leaf's value
	MaxBins      int     // bins per feature at most, missing values apart, 2 to 255; default 255
	RowSample    float64 // share of the rows that each iteration draws without replacement; default 1
	ColumnSample float64 // share of the features that each iteration draws, at least one; default 1

	// EarlyStopping ends the fit when the loss on ValidationShare of the rows
	// (default 0.1), which no tree then sees, hasn't fallen for so many
	// iterations, and keeps the trees up to its lowest; 0 is off.
	EarlyStopping   int
	ValidationShare float64

	Seed    int64 // of samples; without samples and more than 200,000 rows it changes nothing
	Threads int   // default 1; changes nothing but time

	single bool // does without assembly, for tests
	slots  int  // histograms kept at most, for tests; 0: by histogramBudget
}

// minHessian is the least sum of hessians in a leaf, LightGBM's
// min_sum_hessian_in_leaf and scikit-learn's: where predictions are near
// certain, a Newton step would explode. It is scaled by the mean weight.
const minHessian = 1e-3

func (s *Settings) fill(t *tree.Table) {
	fill := func(v *float64, standard float64) {
		if *v == 0 {
			*v = standard
		}
	}
	count := func(v *int, standard int) {
		if *v == 0 {
			*v = standard
		}
	}
	count(&s.Trees, 100)
	count(&s.Leaves, 31)
	count(&s.MinLeaf, 20)
	count(&s.MaxBins, 255)
	fill(&s.LearningRate, 0.1)
	fill(&s.RowSample, 1)
	fill(&s.ColumnSample, 1)
	fill(&s.ValidationShare, 0.1)
	if s.Loss == "" {
		s.Loss = Squared
		if t.Classes > 0 {
			s.Loss = Log
		}
	}
}

func (s *Settings) check(t *tree.Table) error {
	const op = "boosting.Fit"
	switch s.Loss {
	case Squared, Absolute, Log:
	default:
		return perennial.Errorf(perennial.CodeInvalid, op, "there is no loss %q", s.Loss)
	}
	if (s.Loss == Log) != (t.Classes > 0) {
		return perennial.Errorf(perennial.CodeInvalid, op, "loss %s doesn't fit a target of %d classes", s.Loss, t.Classes)
	}
	share := func(v float64) bool { return v > 0 && v <= 1 }
	penalty := func(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }
	for _, c := range []struct {
		name string
		ok   bool
		came any
	}{
		{"trees", s.Trees > 0, s.Trees}, {"learning rate", share(s.LearningRate), s.LearningRate},
		{"leaves", s.Leaves >= 2 && s.Leaves <= math.MaxUint16, s.Leaves}, {"depth", s.MaxDepth >= 0, s.MaxDepth}, {"rows of a leaf", s.MinLeaf > 0, s.MinLeaf},
		{"least gain", penalty(s.MinGain), s.MinGain}, {"L1 penalty", penalty(s.L1), s.L1}, {"L2 penalty", penalty(s.L2), s.L2},
		{"bins", s.MaxBins >= 2 && s.MaxBins <= 255, s.MaxBins}, {"share of rows", share(s.RowSample), s.RowSample},
		{"share of columns", share(s.ColumnSample), s.ColumnSample}, {"rounds of early stopping", s.EarlyStopping >= 0, s.EarlyStopping},
		{"validation share", s.ValidationShare > 0 && s.ValidationShare < 1, s.ValidationShare},
	} {
		if !c.ok {
			return perennial.Errorf(perennial.CodeInvalid, op, "the %s can't be %v", c.name, c.came)
		}
	}
	if t.Rows > math.MaxInt32 {
		return perennial.Errorf(perennial.CodeTooLarge, op, "%d rows are more than %d", t.Rows, math.MaxInt32)
	}
	return nil
}

// Result is what Fit gives.
type Result struct {
	Ensemble *tree.Ensemble
	// Iterations are those whose trees the ensemble has.
	Iterations int
	// Loss and Validation are the mean weighted losses after each iteration that
	// was done, on the rows that trees were fitted on and on the others (nil
	// without early stopping).
	Loss, Validation []float64
	// Stopped says that early stopping ended the fit, Converged that no leaf could
	// be split any more.
	Stopped, Converged bool
}

// Fit fits boosted trees on a table. Columns without two different values are
// never split, and a target that is constant gives an ensemble without splits.
//
// It looks at ctx often enough to stop within a fraction of a second on a million
// rows and then gives ctx's error. Other errors: code invalid for values and
// settings that can't be fitted and for a fit that diverged; too_large for more
// than 2³¹−1 rows; internal for a table whose sizes contradict each other.
//
// Besides the table it needs per row about a byte per feature twice over, 12 bytes of
// indexes and 8 to 24 of gradients, and at most 256 MiB of histograms where a tree
// has many leaves and features.
func Fit(ctx context.Context, t *tree.Table, s Settings) (*Result, error) {
	const op = "boosting.Fit"
	if err := t.Check(); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if err := t.CheckSums(0); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	s.fill(t)
	if err := s.check(t); err != nil {
		return nil, err
	}
	team := newTeam(s.Threads)
	defer team.close()
	f, err := newFit(ctx, t, s, team)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	r, err := f.run(ctx)
	return r, perennial.Wrap(op, err)
}

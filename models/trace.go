package models

// Fitted is what a fit gives: the predictor, and how the fit went.
type Fitted struct {
	Predictor
	Trace Trace
}

// Trace tells how a fit went. The run keeps it; the model file doesn't. The zero
// Trace is that of an algorithm that doesn't iterate.
type Trace struct {
	// Status is how an iterative fit ended, in snake case: converged,
	// iteration_limit, stalled, early_stopped, …; "" where nothing iterates.
	Status     string
	Iterations int       // done; 0 where nothing iterates
	Loss       []float64 // training loss after each iteration, in the algorithm's own objective; nil where it isn't followed
	Validation []float64 // validation loss after each iteration; nil without a validation part
	OutOfBag   *float64  // of a forest with bootstrap: R² or accuracy by the trees that didn't draw the row; nil where there is none
}

// Thin gives at most limit (2 or more) indexes of a curve of n points, ascending
// and evenly spread, the first and the last among them.
func Thin(n, limit int) []int {
	k := min(n, limit)
	out := make([]int, k)
	for i := range out {
		out[i] = i
		if n > limit {
			out[i] = i * (n - 1) / (k - 1)
		}
	}
	return out
}

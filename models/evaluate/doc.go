// Package evaluate scores predictions: metrics under scikit-learn's names and
// with its definitions, baselines, bootstrap intervals and the evaluation report
// of a run.
//
// It sees plain numbers only (Observed): no model, table or schema, no I/O and
// no clock. Equal inputs give equal bits; intervals depend on a seed and nothing
// else. Reference values come from scikit-learn (testdata/reference.py).
//
// Start reading at Observed, then Lookup and NewReport.
package evaluate

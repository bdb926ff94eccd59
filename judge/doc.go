// Package judge turns evidence into decisions: Gates decides whether a fitted
// model may be registered. It is pure: the same policy and evidence give the
// same record, whoever asks and whenever, and Recompute checks that for a stored
// one.
//
// Measuring is separate from deciding. MeasureGates scores models and draws
// bootstrap intervals; what it finds is plain numbers (GateEvidence), stored with
// the decision. Gates looks at those numbers only.
//
// # How a gate decides
//
// The effect is the improvement, in the metric's unit and with its direction
// taken into account: positive is better. A gate fails where the point estimate
// of the effect misses the limit. Where the point estimate meets it but the 95 %
// interval reaches past it, the evidence is too thin to exclude a miss: the gate
// is inconclusive, passes and is marked. The alternative, failing whatever can't
// be shown to be good (a non-inferiority test: Wellek, "Testing Statistical
// Hypotheses of Equivalence and Noninferiority", 2010), would keep small data
// sets from ever training a second model; the rollout asks again with live
// evidence.
//
// Comparisons are paired: both models answer the same rows, and the interval is
// of the difference over resamples of those rows (stats.Bootstrap), so that
// what is hard about a row cancels out. The intervals of several gates are not
// adjusted for their number.
//
// Verdicts are pass, inconclusive, error (it could not be measured) and fail; the
// worst wins. An error doesn't pass: no data is never success.
//
// Start reading at Gates.
package judge

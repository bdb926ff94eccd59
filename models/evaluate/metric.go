package evaluate

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// Metric is one way to score predictions.
type Metric struct {
	Name           string           // scikit-learn's scorer name, or the short one where the contracts use it (rmse)
	Tasks          []perennial.Task // the tasks it scores
	HigherIsBetter bool             // its direction
	NeedsProba     bool             // it scores probabilities
	NeedsPositive  bool             // with two classes it means nothing until the positive one is named
	MinClasses     int              // classes at least; 0: as any classification
	Reported       bool             // every report has it; the others are there where a pipeline names them
	Doc            string           // definition and limits

	// Score gives the metric of the observations as scikit-learn does, 0
	// included where scikit-learn falls back to 0 with a warning. It is NaN where
	// scikit-learn's is, and for observations that it can't score (see Fits).
	Score func(Observed) float64

	losses func(Observed) []float64     // a metric that is a mean over rows: the rows' terms
	finish func(float64) float64        // what is done to that mean; nil: nothing
	whole  func(*sample) func() float64 // any other metric: what is left to do when the sample's counts change
	enough func(*sample) bool           // false where the rows can't tell; nil: always true
}

// Lookup finds a metric by name or alias: root_mean_squared_error is rmse, mae
// mean_absolute_error, mse mean_squared_error, f1_score f1 and so on.
func Lookup(name string) (Metric, bool) {
	if long, ok := aliases[name]; ok {
		name = long
	}
	i := slices.IndexFunc(registry, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Metric{}, false
	}
	return registry[i], true
}

// Metrics lists the metrics of a task, always in the same order.
func Metrics(task perennial.Task) []Metric {
	var out []Metric
	for _, m := range registry {
		if slices.Contains(m.Tasks, task) {
			out = append(out, m)
		}
	}
	return out
}

// reported lists the metrics of a report: those that every report has and the
// ones named, in the order of Metrics.
func reported(task perennial.Task, named []string) []Metric {
	extra := map[string]bool{}
	for _, name := range named {
		if m, ok := Lookup(name); ok {
			extra[m.Name] = true
		}
	}
	return slices.DeleteFunc(Metrics(task), func(m Metric) bool { return !m.Reported && !extra[m.Name] })
}

// Value is a metric's value.
type Value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// All gives every reported metric, and each of the named ones, that can be
// measured on the observations, in the order of Metrics; the others are left
// out, so that every value is a finite number.
func All(o Observed, named ...string) []Value {
	out := []Value{}
	for _, m := range reported(o.Task, named) {
		if v, ok := m.Measure(o); ok {
			out = append(out, Value{Name: m.Name, Value: v})
		}
	}
	return out
}

// Fits reports whether the metric can be asked of the observations: their task,
// as many classes and the probabilities that it needs, and no fault that
// Validate finds.
func (m Metric) Fits(o Observed) bool {
	return slices.Contains(m.Tasks, o.Task) && (!m.NeedsProba || o.Proba != nil) && o.Classes >= m.MinClasses && o.Validate() == nil
}

// Measure gives the metric where these rows can tell it; ok is false where Score
// isn't finite and where scikit-learn's 0 only stands for "undefined", as for
// recall without a positive row. A verdict must rest on Measure.
func (m Metric) Measure(o Observed) (v float64, ok bool) {
	if !m.Fits(o) {
		return math.NaN(), false
	}
	v = m.measured(newSample(o))()
	return v, !math.IsNaN(v)
}

// measured is Measure of a sample of observations that fit: NaN where its rows
// can't tell.
func (m Metric) measured(s *sample) func() float64 {
	value := m.value(s)
	return func() float64 {
		if m.enough != nil && !m.enough(s) {
			return math.NaN()
		}
		if v := value(); !math.IsInf(v, 0) {
			return v
		}
		return math.NaN()
	}
}

// value is Score of a sample of observations that fit.
func (m Metric) value(s *sample) func() float64 {
	if m.losses == nil {
		f := m.whole(s)
		return func() float64 {
			if s.n == 0 {
				return math.NaN()
			}
			return f()
		}
	}
	losses := m.losses(s.Observed)
	return func() float64 {
		v := s.mean(losses)
		if m.finish != nil {
			v = m.finish(v)
		}
		return v
	}
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

var aliases = map[string]string{
	"root_mean_squared_error":  "rmse",
	"mae":                      "mean_absolute_error",
	"mse":                      "mean_squared_error",
	"mape":                     "mean_absolute_percentage_error",
	"msle":                     "mean_squared_log_error",
	"rmsle":                    "root_mean_squared_log_error",
	"r2_score":                 "r2",
	"explained_variance_score": "explained_variance",
	"accuracy_score":           "accuracy",
	"balanced_accuracy_score":  "balanced_accuracy",
	"precision_score":          "precision",
	"recall_score":             "recall",
	"f1_score":                 "f1",
	"jaccard_score":            "jaccard",
	"roc_auc_score":            "roc_auc",
	"average_precision_score":  "average_precision",
	"brier_score":              "brier_score_loss",
	"mcc":                      "matthews_corrcoef",
	"cohen_kappa_score":        "cohen_kappa",
	"top_k_accuracy_score":     "top_k_accuracy",
}

var registry = register(classificationMetrics(), averagedMetrics(), agreementMetrics(), rankingMetrics(), probabilityMetrics(), regressionMetrics(), positiveMetrics())

func register(groups ...[]Metric) []Metric {
	out := slices.Concat(groups...)
	for i := range out {
		m := out[i]
		out[i].Score = func(o Observed) float64 {
			if !m.Fits(o) {
				return math.NaN()
			}
			return m.value(newSample(o))()
		}
	}
	return out
}

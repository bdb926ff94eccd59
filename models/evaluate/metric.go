package evaluate

import (
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
)

// Metric is one way to score predictions.
type Metric struct {
	Name           string           // scikit-learn's name, or the short one where the contracts use it (rmse)
	Tasks          []perennial.Task // the tasks it scores
	HigherIsBetter bool             // its direction
	NeedsProba     bool             // it scores probabilities
	Binary         bool             // it is defined for two classes only
	Doc            string           // definition and limits

	// Score gives the metric of the observations as scikit-learn does, 0
	// included where scikit-learn falls back to 0 with a warning. It is NaN where
	// scikit-learn's is, and for observations that it can't score (see Fits).
	Score func(Observed) float64

	losses func(Observed) []float64 // a metric that is a mean over rows: the rows' terms
	finish func(float64) float64    // what is done to that mean; nil: nothing
	whole  func(Observed) float64   // any other metric
	enough func(Observed) bool      // false where the rows can't tell; nil: always true
	sorts  bool                     // it costs a sort: fewer resamples on many rows
}

// Lookup finds a metric by name or alias: root_mean_squared_error is rmse, mae
// mean_absolute_error, mse mean_squared_error.
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

// Value is a metric's value.
type Value struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// All gives every metric that can be measured on the observations, in the order
// of Metrics; the others are left out, so that every value is a finite number.
func All(o Observed) []Value {
	out := []Value{}
	for _, m := range Metrics(o.Task) {
		if v, ok := m.Measure(o); ok {
			out = append(out, Value{Name: m.Name, Value: v})
		}
	}
	return out
}

// Fits reports whether the metric can be asked of the observations: their task,
// two classes where it needs two, probabilities where it needs them, and no
// fault that Validate finds.
func (m Metric) Fits(o Observed) bool {
	return slices.Contains(m.Tasks, o.Task) && (!m.NeedsProba || o.Proba != nil) && (!m.Binary || o.Classes == 2) && o.Validate() == nil
}

// Measure gives the metric where these rows can tell it; ok is false where Score
// isn't finite and where scikit-learn's 0 only stands for "undefined", as for
// recall without a positive row. A verdict must rest on Measure.
func (m Metric) Measure(o Observed) (v float64, ok bool) {
	if !m.Fits(o) {
		return math.NaN(), false
	}
	v = m.measure(o)
	return v, !math.IsNaN(v)
}

// measure is Measure on observations that fit: NaN where they can't tell.
func (m Metric) measure(o Observed) float64 {
	if m.enough != nil && !m.enough(o) {
		return math.NaN()
	}
	return finite(m.value(o))
}

// value is Score on observations that fit.
func (m Metric) value(o Observed) float64 {
	if len(o.Y) == 0 {
		return math.NaN()
	}
	if m.losses == nil {
		return m.whole(o)
	}
	return m.fromMean(mean(m.losses(o)))
}

func (m Metric) fromMean(v float64) float64 {
	if m.finish != nil {
		v = m.finish(v)
	}
	return v
}

func finite(v float64) float64 {
	if math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

var aliases = map[string]string{
	"root_mean_squared_error": "rmse",
	"mae":                     "mean_absolute_error",
	"mse":                     "mean_squared_error",
}

var registry = register(classificationMetrics(), rankingMetrics(), probabilityMetrics(), regressionMetrics())

func register(groups ...[]Metric) []Metric {
	out := slices.Concat(groups...)
	for i := range out {
		m := out[i]
		out[i].Score = func(o Observed) float64 {
			if !m.Fits(o) {
				return math.NaN()
			}
			return m.value(o)
		}
	}
	return out
}

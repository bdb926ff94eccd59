package models

import (
	"context"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// Algorithm describes an algorithm that a candidate can name.
type Algorithm struct {
	Name         string           `json:"name"`
	Tasks        []perennial.Task `json:"tasks"`
	Params       []Param          `json:"params"`
	Reproducible bool             `json:"reproducible"` // equal inputs give equal models
	Doc          string           `json:"doc"`
}

// Param describes one parameter of an algorithm.
type Param struct {
	Name    string    `json:"name"`
	Kind    ParamKind `json:"kind"`
	Default any       `json:"default"`           // float64, int, string or bool, by Kind
	Min     float64   `json:"min"`               // inclusive; of numbers
	Max     float64   `json:"max"`               // inclusive; of numbers
	Choices []string  `json:"choices,omitempty"` // of strings
	// Share: a number up to 1 is a share of something, 1 all of it, and one above
	// 1 a number of them. Max is above 1.
	Share bool `json:"share,omitempty"`
	// Only names the choices that are for one task.
	Only map[string]perennial.Task `json:"only,omitempty"`
	Doc  string                    `json:"doc"`
}

// ParamKind is the type of a parameter's value.
type ParamKind string

// The kinds of parameters.
const (
	ParamFloat  ParamKind = "float"
	ParamInt    ParamKind = "int"
	ParamString ParamKind = "string"
	ParamBool   ParamKind = "bool"
)

// Training is what an algorithm is fitted on: Rows × Cols prepared values, row by
// row, and one target per row, a class index 0…Classes−1 or, where Classes is 0, a
// number. Values are finite, but NaN, for null, where the algorithm's entry takes
// it.
type Training struct {
	X, Y       []float64
	Rows, Cols int
	Classes    int
	// Categories says of each prepared column whether it holds a number (0) or
	// category codes 0…n−1 (n), of which the last is that of unlisted values; nil
	// where all are numbers. Only entries with takesCategories see any.
	Categories []int
	Seed       int64
	Threads    int // at least 1
}

// Predictor is a fitted algorithm. It is immutable and safe for concurrent use.
type Predictor interface {
	// Predict writes the probability of every class, or the one predicted
	// number, for one prepared row. It does not allocate.
	Predict(x, out []float64)
	// Encode gives the bytes that the algorithm's entry decodes again.
	Encode() ([]byte, error)
}

// BatchPredictor is a Predictor that answers many rows faster than one by one.
type BatchPredictor interface {
	Predictor
	// PredictBatch writes for each of the prepared rows, which x holds one after
	// another, what Predict does, to the last bit.
	PredictBatch(x, out []float64, rows int)
}

// Params are an algorithm's parameters, every one of them present and of its
// kind: float64, int, string or bool.
type Params map[string]any

// Float gives a float parameter.
func (p Params) Float(name string) float64 { v, _ := p[name].(float64); return v }

// Int gives an int parameter.
func (p Params) Int(name string) int { v, _ := p[name].(int); return v }

// Text gives a string parameter.
func (p Params) Text(name string) string { v, _ := p[name].(string); return v }

// Bool gives a bool parameter.
func (p Params) Bool(name string) bool { v, _ := p[name].(bool); return v }

// entry is an algorithm with its code.
type entry struct {
	Algorithm
	takesNull       bool // Training may hold NaN
	takesCategories bool // Training may hold category codes
	trees           bool // only the order of a feature's values matters: no scaling by default
	fit             func(ctx context.Context, p Params, t Training) (Fitted, error)
	// decode reads what Predictor.Encode wrote, for rows of the given width and
	// as many outputs as classes, or 1. Bytes that don't fit are code malformed,
	// and memory is bounded by their number.
	decode func(b []byte, width, outputs int) (Predictor, error)
}

// takes says what rows are prepared for the algorithm.
func (e *entry) takes() preprocess.Takes {
	return preprocess.Takes{Null: e.takesNull, Categories: e.takesCategories, Unscaled: e.trees}
}

// Algorithms lists the algorithms, by name.
func Algorithms() []Algorithm {
	out := make([]Algorithm, len(registry))
	for i := range registry {
		out[i] = registry[i].Algorithm
	}
	return out
}

func lookup(name string) (*entry, bool) {
	i := slices.IndexFunc(registry, func(e entry) bool { return e.Name == name })
	if i < 0 {
		return nil, false
	}
	return &registry[i], true
}

// namesFor lists the algorithms of a task, by name.
func namesFor(task perennial.Task) []string {
	var names []string
	for _, a := range Algorithms() {
		if slices.Contains(a.Tasks, task) {
			names = append(names, a.Name)
		}
	}
	return names
}

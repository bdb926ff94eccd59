package models

import (
	"context"
	"math"
	"slices"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// Profile is what the training rows looked like, feature by feature: the
// reference that live rows are compared with.
type Profile struct {
	Rows     int              `json:"rows"`
	Features []FeatureProfile `json:"features"`
}

// FeatureProfile sums up one feature over the training rows. The moments are of
// the encoded values (dates in days, booleans 0 and 1) without nulls, Std is the
// population standard deviation; all are 0 for a categorical feature, which has
// Categories instead, and for one without any value.
type FeatureProfile struct {
	Name       string  `json:"name"`
	Count      int     `json:"count"` // rows with a value
	Nulls      int     `json:"nulls"`
	Mean       float64 `json:"mean"`
	Std        float64 `json:"std"`
	Min        float64 `json:"min"`
	Max        float64 `json:"max"`
	Categories []int   `json:"categories,omitempty"` // rows of each of the schema's Values, then of all others
}

// newProfile sums up the training rows, feature by feature, and looks at ctx
// between them.
func newProfile(ctx context.Context, features []perennial.Column, rows preprocess.Rows) (Profile, error) {
	p := Profile{Rows: rows.N, Features: make([]FeatureProfile, len(features))}
	all := make([]float64, rows.N)
	for i := range features {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		rows.Read(i, 0, all)
		values := slices.DeleteFunc(all, math.IsNaN)
		f := FeatureProfile{Name: features[i].Name, Count: len(values), Nulls: rows.N - len(values)}
		if features[i].Type == perennial.TypeCategorical {
			f.Categories = make([]int, len(features[i].Values)+1)
			for _, v := range values {
				f.Categories[int(v)]++
			}
		} else if len(values) > 0 {
			f.moments(values)
		}
		p.Features[i] = f
	}
	return p, nil
}

func (f *FeatureProfile) moments(values []float64) {
	f.Min, f.Max = values[0], values[0]
	sum, n := 0.0, float64(len(values))
	for _, v := range values {
		sum += v
		f.Min, f.Max = min(f.Min, v), max(f.Max, v)
	}
	mean, squares := sum/n, 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	f.Mean, f.Std = storable(mean), storable(math.Sqrt(squares/n))
}

// storable bounds a moment that overflowed, since JSON has no infinity.
func storable(v float64) float64 {
	if math.IsNaN(v) {
		return math.MaxFloat64
	}
	return max(-math.MaxFloat64, min(v, math.MaxFloat64))
}

// fits reports whether a stored profile belongs to the features.
func (p *Profile) fits(features []perennial.Column) bool {
	if len(p.Features) != len(features) {
		return false
	}
	for i, f := range p.Features {
		categories := 0
		if features[i].Type == perennial.TypeCategorical {
			categories = len(features[i].Values) + 1
		}
		if f.Name != features[i].Name || len(f.Categories) != categories {
			return false
		}
	}
	return true
}

package dataset_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

// frame makes a table column by column; a []string is a category.
type frame struct{ perennial.Table }

func (f *frame) add(c perennial.Column, values any) {
	s := perennial.Series{}
	switch v := values.(type) {
	case []float64:
		s.Numbers, f.Rows = v, len(v)
	case []string:
		f.Rows = len(v)
		codes := map[string]int32{}
		for _, text := range v {
			code, ok := codes[text]
			if !ok {
				code = int32(len(codes)) //nolint:gosec // small
				codes[text] = code
				s.Dict = append(s.Dict, text)
			}
			s.Codes = append(s.Codes, code)
		}
	}
	f.Schema.Columns, f.Columns = append(f.Schema.Columns, c), append(f.Columns, s)
}

func feature(name string, t perennial.ColumnType) perennial.Column {
	return perennial.Column{Name: name, Role: perennial.RoleFeature, Type: t, Nullable: true}
}

// noisy is a regression of three features, none of which explains the target.
func noisy(n int) (f *frame, x []float64, y []float64) {
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test
	f = &frame{}
	x, y = make([]float64, n), make([]float64, n)
	other, kind := make([]float64, n), make([]string, n)
	for i := range x {
		x[i], other[i], kind[i] = rng.NormFloat64(), rng.NormFloat64(), fmt.Sprint("k", rng.IntN(5))
		y[i] = x[i] + 0.5*other[i] + 0.5*rng.NormFloat64()
	}
	f.add(feature("x", perennial.TypeNumeric), x)
	f.add(feature("other", perennial.TypeNumeric), other)
	f.add(feature("kind", perennial.TypeCategorical), kind)
	return f, x, y
}

func halves(n int) (train, test []int) {
	for r := range n {
		if r%5 == 0 {
			test = append(test, r)
		} else {
			train = append(train, r)
		}
	}
	return train, test
}

func leaks(t *testing.T, f *frame, task perennial.Task) string {
	t.Helper()
	train, test := halves(f.Rows)
	told, err := dataset.Leaks(t.Context(), &f.Table, perennial.SplitRandom, task, train, test)
	require.NoError(t, err)
	return strings.Join(told, "\n")
}

func TestAFeatureThatExplainsTheTargetIsNamed(t *testing.T) {
	t.Parallel()
	price := perennial.Column{Name: "price", Role: perennial.RoleTarget, Type: perennial.TypeNumeric}
	class := perennial.Column{Name: "class", Role: perennial.RoleTarget, Type: perennial.TypeCategorical}
	each := func(v []float64, f func(i int, v float64) float64) []float64 {
		out := make([]float64, len(v))
		for i := range v {
			out[i] = f(i, v[i])
		}
		return out
	}
	words := func(v []float64, f func(i int, v float64) string) []string {
		out := make([]string, len(v))
		for i := range v {
			out[i] = f(i, v[i])
		}
		return out
	}
	three := func(_ int, v float64) string { return fmt.Sprint("c", int(math.Floor(3/(1+math.Exp(-v))))) }
	for _, c := range []struct {
		name  string
		rows  int
		build func(f *frame, x, y []float64)
		task  perennial.Task
		want  string // a part of what is told; "": nothing
	}{
		{"nothing of a noisy target", 2000, func(f *frame, _, y []float64) { f.add(price, y) }, perennial.Regression, ""},
		{"a copy", 2000, func(f *frame, _, y []float64) { f.add(feature("paid", perennial.TypeNumeric), y); f.add(price, y) }, perennial.Regression, "The feature paid alone explains the target (R² 1.0000"},
		{"a line, in few rows", 70, func(f *frame, _, y []float64) {
			f.add(feature("paid", perennial.TypeNumeric), each(y, func(_ int, v float64) float64 { return 3 - 7*v }))
			f.add(price, y)
		}, perennial.Regression, "paid"},
		{"a curve", 4000, func(f *frame, _, y []float64) {
			f.add(feature("paid", perennial.TypeNumeric), each(y, func(_ int, v float64) float64 { return math.Exp(v) }))
			f.add(price, y)
		}, perennial.Regression, "paid"},
		{"not an id with a value for each row", 500, func(f *frame, _, y []float64) {
			f.add(feature("code", perennial.TypeCategorical), words(y, func(i int, _ float64) string { return fmt.Sprint(i) }))
			f.add(price, y)
		}, perennial.Regression, ""},
		{"not in too few rows", 40, func(f *frame, _, y []float64) { f.add(feature("paid", perennial.TypeNumeric), y); f.add(price, y) }, perennial.Regression, ""},
		{"a constant target", 200, func(f *frame, x, _ []float64) { f.add(price, make([]float64, len(x))) }, perennial.Regression, ""},
		{"three classes by a category", 600, func(f *frame, x, _ []float64) {
			f.add(feature("status", perennial.TypeCategorical), words(x, three))
			f.add(class, words(x, three))
		}, perennial.Classification, "The feature status alone explains the target (AUC 1.0000"},
		{"missing only where it is yes", 600, func(f *frame, x, _ []float64) {
			f.add(feature("closed", perennial.TypeNumeric), each(x, func(i int, v float64) float64 {
				if v > 0 {
					return math.NaN()
				}
				return float64(i % 7)
			}))
			f.add(class, words(x, func(_ int, v float64) string { return fmt.Sprint(v > 0) }))
		}, perennial.Classification, "closed"},
		{"one of three classes is not enough", 600, func(f *frame, x, _ []float64) {
			f.add(feature("first", perennial.TypeBoolean), each(x, func(i int, v float64) float64 {
				if three(i, v) == "c0" {
					return 1
				}
				return 0
			}))
			f.add(class, words(x, func(i int, v float64) string {
				if c := three(i, v); c == "c0" {
					return c
				}
				return fmt.Sprint("d", i%2)
			}))
			f.Columns[0].Numbers = make([]float64, len(x)) // x itself would tell c0 apart
		}, perennial.Classification, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, x, y := noisy(c.rows)
			c.build(f, x, y)
			got := leaks(t, f, c.task)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, c.want)
		})
	}
}

func TestRowsThatAreEqualButForTheirKeyAreTold(t *testing.T) {
	t.Parallel()
	f, _, y := noisy(100)
	f.add(perennial.Column{Name: "price", Role: perennial.RoleTarget, Type: perennial.TypeNumeric}, y)
	for _, pair := range [][2]int{{10, 11}, {5, 6}} { // 10 and 5 are held out
		f.Columns[0].Numbers[pair[0]] = f.Columns[0].Numbers[pair[1]]
		f.Columns[1].Numbers[pair[0]], f.Columns[1].Numbers[pair[1]] = math.NaN(), math.NaN()
		f.Columns[2].Codes[pair[0]] = f.Columns[2].Codes[pair[1]]
	}
	require.Empty(t, leaks(t, f, perennial.Regression), "without an id equal rows have equal keys, which share a side")
	ids := make([]string, f.Rows)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	f.add(perennial.Column{Name: "id", Role: perennial.RoleID}, ids)
	got := leaks(t, f, perennial.Regression)
	require.Contains(t, got, "2 held-out rows have the same features as a training row")
	require.Contains(t, got, "rows 5 and 6 of the data")
}

func TestLeaksStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	f, _, y := noisy(100)
	f.add(perennial.Column{Name: "price", Role: perennial.RoleTarget, Type: perennial.TypeNumeric}, y)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := dataset.Leaks(ctx, &f.Table, perennial.SplitRandom, perennial.Regression, []int{1, 2}, []int{3})
	require.ErrorIs(t, err, context.Canceled)
}

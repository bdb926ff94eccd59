package imported_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/imported"
	"github.com/perennial-ml/perennial/models/tree"
)

// reference is one model of testdata with the library's own answers.
type reference struct {
	Name      string             `json:"name"`
	File      string             `json:"file"`
	Columns   []perennial.Column `json:"columns"`
	Rows      [][]any            `json:"rows"`
	Answers   [][]float64        `json:"answers"`
	Tolerance float64            `json:"tolerance"`
}

func references(t *testing.T) []reference {
	t.Helper()
	names, err := filepath.Glob("testdata/cases*.json")
	require.NoError(t, err)
	var all []reference
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		var file struct {
			Cases []reference `json:"cases"`
		}
		require.NoError(t, json.Unmarshal(b, &file))
		all = append(all, file.Cases...)
	}
	require.Greater(t, len(all), 30)
	return all
}

// schema is what a user would write.
func (r *reference) schema() *perennial.Schema {
	s := &perennial.Schema{Version: 1}
	for i, c := range r.Columns {
		c.Role, c.Nullable = perennial.RoleFeature, true
		if i == len(r.Columns)-1 {
			c.Role, c.Nullable = perennial.RoleTarget, false
		}
		s.Columns = append(s.Columns, c)
	}
	return s
}

func (r *reference) model(t *testing.T) *imported.Model {
	t.Helper()
	m, err := imported.Parse(file(t, r.File))
	require.NoError(t, err)
	return m
}

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return b
}

// encode gives a row as a schema's columns encode it.
func encode(t *testing.T, columns []perennial.Column, cells []any) []float64 {
	t.Helper()
	row := make([]float64, len(cells))
	for i, v := range cells {
		switch v := v.(type) {
		case nil:
			row[i] = math.NaN()
		case float64:
			row[i] = v
		case string:
			code, fault := columns[i].FromString(v)
			require.Nil(t, fault)
			row[i] = code
		default:
			require.Fail(t, "a cell", "%T", v)
		}
	}
	return row
}

// nulls makes null of what counts as null.
func nulls(row []float64, zeroIsNull []bool) []float64 {
	for i, v := range row {
		if zeroIsNull[i] && math.Abs(v) <= imported.ZeroBand {
			row[i] = math.NaN()
		}
	}
	return row
}

func TestAnswersAreTheLibrarysOwn(t *testing.T) {
	t.Parallel()
	for _, r := range references(t) {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			m := r.model(t)
			b, err := m.Bind(r.schema())
			require.NoError(t, err)
			features := b.Schema.Features()
			fast, out := tree.Compile(b.Trees), make([]float64, b.Trees.Outputs)
			distinct := map[float64]bool{}
			for i, cells := range r.Rows {
				fast.Predict(nulls(encode(t, features, cells), b.ZeroIsNull), out)
				for k, want := range r.Answers[i] {
					tolerance := 1e-12 * max(1, math.Abs(want))
					if m.Format == imported.XGBoost { // to the last bit
						tolerance = r.Tolerance
					}
					require.InDelta(t, want, out[k], tolerance, "row %d, output %d: %v", i, k, cells)
				}
				distinct[out[0]] = true
			}
			require.Greater(t, len(distinct), 3, "the rows tell answers apart")
			require.Equal(t, m.Classes, map[bool]int{true: b.Trees.Outputs}[m.Task == perennial.Classification])
		})
	}
}

func TestWhatAFileTellsOfItself(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"lightgbm_regression.txt":       "lightgbm v4 regression regression, 4 trees of 4 iterations, 0 dropped, 3 features",
		"lightgbm_multiclass.txt":       "lightgbm v4 multiclass classification, 12 trees of 4 iterations, 0 dropped, 3 features",
		"xgboost_stopped.json":          "xgboost 3.2.0 reg:squarederror regression, 2 trees of 1 iterations, 2 dropped, 3 features",
		"xgboost_forest.json":           "xgboost 3.2.0 reg:squarederror regression, 5 trees of 1 iterations, 0 dropped, 3 features",
		"xgboost_regression_ubjson.ubj": "xgboost 3.2.0 reg:squarederror regression, 4 trees of 4 iterations, 0 dropped, 3 features",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := imported.Parse(file(t, name))
			require.NoError(t, err)
			got := fmt.Sprintf("%s %s %s %s, %d trees of %d iterations, %d dropped, %d features",
				m.Format, m.Version, m.Objective, m.Task, m.Trees, m.Iterations, m.Dropped, len(m.Features))
			require.Equal(t, want, got)
		})
	}
}

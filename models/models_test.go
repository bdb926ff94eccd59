package models_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var nan = math.NaN()

// raw reads a committed data set from the DVC remote in the repository, through
// its pointer file, and makes a table of it: the last column is the target.
func raw(tb testing.TB, name string, task perennial.Task) *perennial.Table {
	tb.Helper()
	pointer, err := os.ReadFile(filepath.Join("..", "data", "raw", name+".csv.dvc"))
	require.NoError(tb, err)
	_, rest, ok := strings.Cut(string(pointer), "md5: ")
	require.True(tb, ok)
	f, err := os.Open(filepath.Join("..", "data", "remote", "files", "md5", rest[:2], rest[2:32]))
	require.NoError(tb, err)
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	require.NoError(tb, err)
	t := &perennial.Table{Rows: len(records) - 1}
	for j, name := range records[0] {
		c := perennial.Column{Name: name, Role: perennial.RoleFeature, Type: perennial.TypeNumeric}
		if j == len(records[0])-1 {
			c.Role = perennial.RoleTarget
			if task == perennial.Classification {
				c.Type = perennial.TypeCategorical
			}
		}
		t.Schema.Columns = append(t.Schema.Columns, c)
		cells := make([]string, t.Rows)
		for i := range cells {
			cells[i] = records[i+1][j]
		}
		t.Columns = append(t.Columns, series(tb, c, cells...))
	}
	return t
}

// series makes a column of text cells; "_" is null.
func series(tb testing.TB, c perennial.Column, cells ...string) perennial.Series {
	tb.Helper()
	var s perennial.Series
	for _, text := range cells {
		switch {
		case c.Type == perennial.TypeCategorical && text == "_":
			s.Codes = append(s.Codes, -1)
		case c.Type == perennial.TypeCategorical:
			if !slices.Contains(s.Dict, text) {
				s.Dict = append(s.Dict, text)
			}
			s.Codes = append(s.Codes, int32(slices.Index(s.Dict, text))) //nolint:gosec // small tables
		case text == "_":
			s.Numbers = append(s.Numbers, nan)
		default:
			v, fault := c.FromText(text)
			require.Nil(tb, fault)
			s.Numbers = append(s.Numbers, v)
		}
	}
	return s
}

// churn is a small table with every type of column, nulls and an open category.
func churn(tb testing.TB) *perennial.Table {
	tb.Helper()
	t := &perennial.Table{Rows: 12}
	for _, c := range []struct {
		column perennial.Column
		cells  string
	}{
		{perennial.Column{Name: "id", Role: perennial.RoleID, Type: perennial.TypeCategorical}, "a b c d e f g h i j k l"},
		{perennial.Column{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Values: []string{"basic", "plus"}, Unknown: perennial.UnknownOther}, "basic plus basic pro plus basic plus plus basic basic plus pro"},
		{perennial.Column{Name: "city", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, MaxValues: 2, Unknown: perennial.UnknownOther, Nullable: true}, "Wien Graz Wien Linz Graz Wien _ Bern Wien Graz Linz Wien"},
		{perennial.Column{Name: "income", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true}, "1200 3400 _ 900 4100 1000 3900 5200 800 1500 _ 700"},
		{perennial.Column{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate}, "2024-01-05 2023-06-11 2024-02-29 2024-03-01 2022-12-24 2024-01-31 2021-07-04 2020-05-05 2024-04-01 2023-11-11 2022-02-02 2024-05-17"},
		{perennial.Column{Name: "student", Role: perennial.RoleFeature, Type: perennial.TypeBoolean}, "true false true true false true false false true false false true"},
		{perennial.Column{Name: "churned", Role: perennial.RoleTarget, Type: perennial.TypeCategorical}, "yes no yes yes no yes no no yes no yes no"},
	} {
		t.Schema.Columns = append(t.Schema.Columns, c.column)
		t.Columns = append(t.Columns, series(tb, c.column, strings.Fields(c.cells)...))
	}
	return t
}

func all(t *perennial.Table) []int {
	rows := make([]int, t.Rows)
	for i := range rows {
		rows[i] = i
	}
	return rows
}

func fit(tb testing.TB, s models.Spec, t *perennial.Table, rows []int) *models.Model {
	tb.Helper()
	s.Schema = t.Schema
	m, err := models.Fit(context.Background(), s, t, rows)
	require.NoError(tb, err)
	return m
}

var logistic = models.Spec{Task: perennial.Classification, Algorithm: "logistic_regression"}

func TestIris(t *testing.T) {
	t.Parallel()
	table := raw(t, "iris", perennial.Classification)
	for name, floor := range map[string]float64{"gradient_boosting": 0.93, "logistic_regression": 0.93, "malaschitz_forest": 0.90, "random_forest": 0.93, "extra_trees": 0.93} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right := 0
			for fold := range 10 { // the file is in the order of its classes, so every tenth row is stratified
				var train, test []int
				for _, r := range all(table) {
					if r%10 == fold {
						test = append(test, r)
					} else {
						train = append(train, r)
					}
				}
				m := fit(t, models.Spec{Task: perennial.Classification, Algorithm: name, Threads: 2}, table, train)
				require.Equal(t, []string{"setosa", "versicolor", "virginica"}, m.Classes())
				require.Empty(t, m.Warning())
				want, err := models.Targets(table, m.Schema(), test)
				require.NoError(t, err)
				got, err := m.PredictTable(table, test)
				require.NoError(t, err)
				for i := range test {
					if got.Values[i] == want[i] {
						right++
					}
				}
			}
			t.Logf("accuracy %.4f", float64(right)/150)
			require.GreaterOrEqual(t, float64(right)/150, floor)
		})
	}
}

// The figure is scikit-learn's for LinearRegression on this split; ridge with
// alpha 1 on standardised features is the same to four digits.
func TestCaliforniaHousingRidge(t *testing.T) {
	t.Parallel()
	table := raw(t, "california-housing", perennial.Regression)
	b, err := os.ReadFile(filepath.Join("..", "pipelines", "california-housing.split.csv"))
	require.NoError(t, err)
	held := map[int]bool{}
	for _, line := range strings.Fields(string(b))[1:] {
		r, err := strconv.Atoi(line)
		require.NoError(t, err)
		held[r] = true
	}
	var train, test []int
	for _, r := range all(table) {
		if held[r] {
			test = append(test, r)
		} else {
			train = append(train, r)
		}
	}
	require.Len(t, train, 16512)
	m := fit(t, models.Spec{Task: perennial.Regression, Algorithm: "ridge"}, table, train)
	want, err := models.Targets(table, m.Schema(), test)
	require.NoError(t, err)
	got, err := m.PredictTable(table, test)
	require.NoError(t, err)
	require.Nil(t, got.Proba)
	squares := 0.0
	for i := range want {
		squares += (got.Values[i] - want[i]) * (got.Values[i] - want[i])
	}
	require.InDelta(t, 0.7456, math.Sqrt(squares/float64(len(want))), 0.0005)
}

func TestSchemaIsResolvedFromTheTrainingRows(t *testing.T) {
	t.Parallel()
	table := churn(t)
	m := fit(t, logistic, table, all(table))
	city, _ := m.Schema().Column("city")
	require.Equal(t, []string{"Graz", "Wien"}, city.Values, "the two most frequent, by text")
	plan, _ := m.Schema().Column("plan")
	require.Equal(t, []string{"basic", "plus"}, plan.Values)
	require.Equal(t, []string{"no", "yes"}, m.Classes())
	m = fit(t, logistic, table, []int{3, 4, 7, 10})
	city, _ = m.Schema().Column("city")
	require.Equal(t, []string{"Bern", "Linz"}, city.Values, "Graz and Bern occur once each, and Bern is first by text")
	require.Empty(t, table.Schema.Columns[2].Values, "the caller's schema is left alone")
	require.Equal(t, models.FeatureProfile{Name: "city", Count: 4, Categories: []int{1, 2, 1}}, m.Profile().Features[1])
}

func TestAClassMissingInAFoldStillCounts(t *testing.T) {
	t.Parallel()
	table := raw(t, "iris", perennial.Classification)
	for _, name := range []string{"logistic_regression", "malaschitz_forest", "random_forest"} {
		m := fit(t, models.Spec{Task: perennial.Classification, Algorithm: name}, table, all(table)[:90])
		got, err := m.PredictTable(table, all(table))
		require.NoError(t, err)
		require.Equal(t, 3, got.Classes)
		require.Len(t, got.Proba, 450)
		require.Zero(t, got.Proba[449], "virginica")
	}
}

func TestNumericAndBooleanClasses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind    perennial.ColumnType
		cells   []string
		classes []string
		want    []float64
	}{
		"integers": {perennial.TypeInteger, []string{"10", "2", "-1", "2"}, []string{"-1", "2", "10"}, []float64{2, 1, 0, 1}},
		"booleans": {perennial.TypeBoolean, []string{"true", "false", "true", "true"}, []string{"false", "true"}, []float64{1, 0, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := perennial.Column{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric}
			y := perennial.Column{Name: "y", Role: perennial.RoleTarget, Type: c.kind}
			table := &perennial.Table{Rows: 4, Schema: perennial.Schema{Columns: []perennial.Column{x, y}}, Columns: []perennial.Series{series(t, x, "1", "2", "3", "4"), series(t, y, c.cells...)}}
			m := fit(t, logistic, table, all(table))
			require.Equal(t, c.classes, m.Classes())
			got, err := models.Targets(table, m.Schema(), all(table))
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestPredictAndPredictTableAgreeToTheBit(t *testing.T) {
	t.Parallel()
	table := churn(t)
	for _, spec := range []models.Spec{logistic, {Task: perennial.Classification, Algorithm: "malaschitz_forest", Params: map[string]any{"leaf_size": 1}}, {Task: perennial.Classification, Algorithm: "random_forest", Seed: 3}, {Task: perennial.Classification, Algorithm: "extra_trees"}} {
		m := fit(t, spec, table, all(table)[:9])
		got, err := m.PredictTable(table, all(table))
		require.NoError(t, err)
		features, s := m.Schema().Features(), m.NewScratch()
		for r := range table.Rows {
			row := make([]float64, len(features))
			for i := range features { // as a request comes in: by text
				row[i] = encode(t, table, &features[i], r)
			}
			value, proba := m.Predict(row, s)
			require.Equal(t, got.Values[r], value)
			require.Equal(t, got.Proba[2*r:2*r+2], proba)
			require.InDelta(t, 1, proba[0]+proba[1], 1e-9)
		}
	}
}

func encode(t *testing.T, table *perennial.Table, c *perennial.Column, r int) float64 {
	t.Helper()
	i := slices.IndexFunc(table.Schema.Columns, func(o perennial.Column) bool { return o.Name == c.Name })
	if c.Type != perennial.TypeCategorical {
		return table.Columns[i].Numbers[r]
	}
	text, ok := table.Columns[i].Text(r)
	if !ok {
		return nan
	}
	v, fault := c.FromString(text)
	require.Nil(t, fault)
	return v
}

func TestThreshold(t *testing.T) {
	t.Parallel()
	table := churn(t)
	for name, c := range map[string]struct{ threshold, value float64 }{
		"never": {1, 0}, "nearly always": {1e-9, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := fit(t, models.Spec{Task: perennial.Classification, Algorithm: "logistic_regression", Positive: "yes", Threshold: c.threshold}, table, all(table))
			got, err := m.PredictTable(table, all(table))
			require.NoError(t, err)
			for _, v := range got.Values {
				require.Equal(t, c.value, v)
			}
		})
	}
	m := fit(t, models.Spec{Task: perennial.Classification, Algorithm: "logistic_regression", Positive: "no"}, table, all(table))
	class, threshold := m.Positive()
	require.Equal(t, 0, class)
	require.Equal(t, 0.5, threshold)
}

func TestFitRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(s *models.Spec, t *perennial.Table)
		want   string
		paths  []string
	}{
		"every fault of the spec at once": {func(s *models.Spec, _ *perennial.Table) {
			s.Params, s.Threshold, s.Preprocess.Categorical.Encode = map[string]any{"c": -1, "C": 1}, nan, "hash"
		}, "", []string{"/params/C", "/params/c", "/preprocess/categorical/encode", "/threshold/value"}},
		"a positive class that isn't one": {func(s *models.Spec, _ *perennial.Table) { s.Positive = "maybe" }, "positive class", []string{"/data/positive"}},
		"a null target":                   {func(_ *models.Spec, t *perennial.Table) { t.Columns[6].Codes[4] = -1 }, "row 4 is null", []string{"/rows/4/churned"}},
		"a target that isn't listed":      {func(_ *models.Spec, t *perennial.Table) { t.Schema.Columns[6].Values = []string{"no", "never"} }, "row 0 is not one of its classes", []string{"/rows/0/churned"}},
		"one class":                       {func(_ *models.Spec, t *perennial.Table) { clear(t.Columns[6].Codes) }, "the data has a single class", nil},
		"regression on a category":        {func(s *models.Spec, _ *perennial.Table) { s.Task, s.Algorithm = perennial.Regression, "ridge" }, "numeric target", nil},
		"a null that nothing imputes":     {func(s *models.Spec, _ *perennial.Table) { s.Preprocess.Numeric.Impute = "none" }, "income may be null", []string{"/preprocess/numeric/impute"}},
		"a missing column":                {func(_ *models.Spec, t *perennial.Table) { t.Schema.Columns[3].Name = "wage" }, "no column income", nil},
		"an infinite value": {func(s *models.Spec, t *perennial.Table) {
			t.Columns[3].Numbers[0], s.Preprocess.Numeric.Scale = math.Inf(1), "none"
		}, "income of training row 0 is not finite", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			table, spec := churn(t), logistic
			spec.Schema = churn(t).Schema
			c.change(&spec, table)
			if name == "a target that isn't listed" {
				spec.Schema = table.Schema
			}
			_, err := models.Fit(t.Context(), spec, table, all(table))
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			require.ErrorContains(t, err, c.want)
			_, _, fields := perennial.Explain(err)
			var paths []string
			for _, f := range fields {
				paths = append(paths, f.Path)
			}
			require.Equal(t, c.paths, paths)
			_, err = json.Marshal(fields)
			require.NoError(t, err)
		})
	}
	t.Run("no rows", func(t *testing.T) {
		t.Parallel()
		table, spec := churn(t), logistic
		spec.Schema = table.Schema
		_, err := models.Fit(t.Context(), spec, table, nil)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	})
}

func TestFitStopsWhenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"logistic_regression", "malaschitz_forest"} {
		table := churn(t)
		_, err := models.Fit(ctx, models.Spec{Task: perennial.Classification, Algorithm: name, Schema: table.Schema}, table, all(table))
		require.ErrorIs(t, err, context.Canceled)
		var e *perennial.Error
		require.ErrorAs(t, err, &e)
	}
}

// A dropped feature is none of the model's: nobody has to send it, and the model
// is the one that a fit without the column gives.
func TestADroppedFeatureIsIgnored(t *testing.T) {
	t.Parallel()
	table, drop := churn(t), true
	spec := models.Spec{Task: perennial.Classification, Algorithm: "logistic_regression"}
	without := fit(t, models.Spec{Task: spec.Task, Algorithm: spec.Algorithm}, withoutFeatures(table, "income", "student"), all(table))
	spec.Preprocess = perennial.Preprocess{Columns: []perennial.ColumnPrep{{Name: "income", Drop: &drop}}}
	spec.Preprocess.Boolean.Drop = true
	m := fit(t, spec, table, all(table))
	for _, name := range []string{"income", "student"} {
		c, ok := m.Schema().Column(name)
		require.True(t, ok)
		require.Equal(t, perennial.RoleIgnore, c.Role, name)
	}
	require.Len(t, spec.Preprocess.Columns, 1, "the caller's preparation stays as it is")
	require.Equal(t, without.FeatureNames(), m.FeatureNames())
	require.Equal(t, without.Profile(), m.Profile())
	want, err := without.PredictTable(table, all(table))
	require.NoError(t, err)
	b, err := m.Encode()
	require.NoError(t, err)
	back, err := models.Decode(b)
	require.NoError(t, err)
	got, err := back.PredictTable(table, all(table))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// withoutFeatures gives a table whose schema ignores some columns.
func withoutFeatures(t *perennial.Table, names ...string) *perennial.Table {
	out := *t
	out.Schema.Columns = slices.Clone(t.Schema.Columns)
	for i := range out.Schema.Columns {
		if c := &out.Schema.Columns[i]; slices.Contains(names, c.Name) {
			c.Role = perennial.RoleIgnore
		}
	}
	return &out
}

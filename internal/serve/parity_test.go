package serve_test

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/models"
)

// oneFile is the world of an engine with one model file in service.
type oneFile struct {
	world
	file []byte
}

func (w *oneFile) Get(context.Context, string) ([]byte, error) { return w.file, nil }

// TestBatchAndServingAgreeToTheBit trains on rows that were read from a file and
// asks for the same rows as a table and as JSON: the answers are the same bits.
// Package preprocess holds the rows that training sees against both.
func TestBatchAndServingAgreeToTheBit(t *testing.T) {
	t.Parallel()
	schema := perennial.Schema{Columns: []perennial.Column{
		{Name: "income", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true},
		{Name: "tenure", Role: perennial.RoleFeature, Type: perennial.TypeInteger},
		{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Values: []string{"basic", "pro"}, Unknown: perennial.UnknownOther, Nullable: true},
		{Name: "city", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, MaxValues: 3, Unknown: perennial.UnknownOther, Nullable: true},
		{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate, Nullable: true},
		{Name: "member", Role: perennial.RoleFeature, Type: perennial.TypeBoolean, Nullable: true},
		{Name: "price", Role: perennial.RoleTarget, Type: perennial.TypeNumeric},
	}}
	rapid.Check(t, func(rt *rapid.T) {
		table, _, err := dataset.Read(t.Context(), "x.csv", anyCSV(rt), &schema, perennial.CSVOptions{NullValues: []string{""}})
		require.NoError(t, err)
		rows := make([]int, table.Rows)
		for i := range rows {
			rows[i] = i
		}
		m, err := models.Fit(t.Context(), models.Spec{Task: perennial.Regression, Schema: schema, Preprocess: anyPreparation(rt), Algorithm: "ridge"}, table, rows)
		require.NoError(t, err)
		batch, err := m.PredictTable(table, rows)
		require.NoError(t, err)
		w := &oneFile{}
		w.rows = []perennial.Traffic{{Model: "house", Mode: perennial.ModeServing, Champion: "1", Epoch: 1}}
		w.file, err = m.Encode()
		require.NoError(t, err)
		e := serve.New(serve.Options{Traffic: w, Versions: w, Blobs: w, Log: w})
		require.NoError(t, e.Start(t.Context()))
		defer func() { require.NoError(t, e.Stop(context.Background())) }()
		for r := range rows {
			require.Equal(t, math.Float64bits(batch.Values[r]), math.Float64bits(served(t, e, dataset.Object(table, r))), "row %d", r)
		}
	})
}

func served(t *testing.T, e *serve.Engine, features map[string]any) float64 {
	t.Helper()
	body, err := json.Marshal(map[string]any{"model": "house", "features": features})
	require.NoError(t, err)
	answer, err := e.Predict(t.Context(), body, perennial.KindLive)
	require.NoError(t, err, string(body))
	var out struct{ Prediction float64 }
	require.NoError(t, json.Unmarshal(answer, &out))
	return out.Prediction
}

func anyCSV(t *rapid.T) []byte {
	b := []byte("income,tenure,plan,city,since,member,price\n")
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	for range rapid.IntRange(3, 12).Draw(t, "rows") {
		for _, cell := range []string{
			number(rapid.Float64Range(0.001, 1e7).Draw(t, "income")), number(float64(rapid.IntRange(-3, 500).Draw(t, "tenure"))),
			rapid.SampledFrom([]string{"", "basic", "pro", "ultra"}).Draw(t, "plan"), rapid.SampledFrom([]string{"", "Wien", "Graz", "Linz", "Bern", "Ybbs"}).Draw(t, "city"),
			rapid.SampledFrom([]string{"", "1969-12-31", "2024-02-29", "2026-11-23"}).Draw(t, "since"), rapid.SampledFrom([]string{"", "true", "0"}).Draw(t, "member"),
		} {
			if rapid.IntRange(0, 9).Draw(t, "null") == 0 && cell != "" && b[len(b)-1] == '\n' {
				cell = "" // income
			}
			b = append(append(b, cell...), ',')
		}
		b = append(append(b, number(rapid.Float64Range(-10, 10).Draw(t, "price"))...), '\n')
	}
	return b
}

// anyPreparation draws settings for a linear model.
func anyPreparation(t *rapid.T) perennial.Preprocess {
	word := func(name string, words ...string) string { return rapid.SampledFrom(words).Draw(t, name) }
	p := perennial.Preprocess{
		Numeric:     perennial.NumericPrep{Impute: word("numeric", "auto", "mean", "most_frequent"), Indicator: rapid.Bool().Draw(t, "indicator"), Scale: word("scale", "auto", "robust", "min_max", "none")},
		Categorical: perennial.CategoricalPrep{Impute: word("categorical", "auto", "none"), Encode: word("encode", "auto", "ordinal", "frequency", "target"), Smoothing: 2},
		Date:        perennial.DatePrep{Parts: []string{"year", "month", "weekday", "days"}},
		Columns:     []perennial.ColumnPrep{{Name: "income", Transform: word("transform", "none", "log", "sqrt", "yeo_johnson", "box_cox")}},
	}
	if rapid.Bool().Draw(t, "clip") {
		p.Columns[0].Clip = &[2]float64{0.05, 0.95}
	}
	return p
}

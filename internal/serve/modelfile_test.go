package serve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/models"
)

// fileBlobs holds one model file.
type fileBlobs []byte

func (f fileBlobs) Get(context.Context, string) ([]byte, error) { return f, nil }

// flowers is a table of two classes that one measure nearly tells apart.
func flowers() *perennial.Table {
	schema := perennial.Schema{Version: 1, ExtraColumns: perennial.ExtraIgnore, Columns: []perennial.Column{
		feature("length", perennial.TypeNumeric), feature("colour", perennial.TypeCategorical),
		{Name: "species", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"setosa", "virginica"}},
	}}
	const rows = 60
	t := &perennial.Table{Schema: schema, Rows: rows, Columns: make([]perennial.Series, 3)}
	t.Columns[1].Dict, t.Columns[2].Dict = []string{"blue", "white"}, []string{"setosa", "virginica"}
	for i := range rows {
		t.Columns[0].Numbers = append(t.Columns[0].Numbers, 1+float64(i*37%rows)/7)
		t.Columns[1].Codes = append(t.Columns[1].Codes, int32(i%2))
		species := int32(0)
		if i*37%rows > rows/2 && i%9 != 0 {
			species = 1
		}
		t.Columns[2].Codes = append(t.Columns[2].Codes, species)
	}
	return t
}

// A model file as training writes it, served as production does: the answers
// are those of PredictTable, to the last bit.
func TestServesAModelFile(t *testing.T) {
	t.Parallel()
	table := flowers()
	rows := make([]int, table.Rows)
	for i := range rows {
		rows[i] = i
	}
	m, err := models.Fit(t.Context(), models.Spec{Task: perennial.Classification, Schema: table.Schema, Algorithm: "logistic_regression", Seed: 1}, table, rows)
	require.NoError(t, err)
	file, err := m.Encode()
	require.NoError(t, err)
	want, err := m.PredictTable(table, rows)
	require.NoError(t, err)

	w := newWorld()
	w.rows = []perennial.Traffic{{Model: "iris", Mode: perennial.ModeServing, Champion: "1", Epoch: 1}}
	o := w.options()
	o.Decode, o.Blobs = nil, fileBlobs(file)
	e := serve.New(o)
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.Stop(context.Background())) })
	for i := range rows {
		colour, _ := table.Columns[1].Text(i)
		body := fmt.Sprintf(`{"model":"iris","features":{"colour":%q,"length":%v}}`, colour, table.Columns[0].Numbers[i])
		answer, err := e.Predict(t.Context(), []byte(body), perennial.KindLive)
		require.NoError(t, err)
		var got struct {
			Prediction    string
			Probabilities map[string]float64
		}
		require.NoError(t, json.Unmarshal(answer, &got))
		require.Equal(t, m.Classes()[int(want.Values[i])], got.Prediction)
		for c, class := range m.Classes() {
			require.Equal(t, want.Proba[i*want.Classes+c], got.Probabilities[class])
		}
	}
}

func TestADamagedModelFileIsNotServed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	o := w.options()
	o.Decode, o.Blobs = nil, fileBlobs("no model")
	e := serve.New(o)
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.Stop(context.Background())) })
	require.False(t, e.Ready())
	require.NotEmpty(t, e.Models()[0].Error)
	_, err := e.Schema(e.Models()[0].Traffic.Model)
	require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
	message, _, _ := perennial.Explain(err)
	require.Contains(t, message, "version 5 is in service and can't be loaded")
}

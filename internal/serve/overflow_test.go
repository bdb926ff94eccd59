package serve_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/models"
)

// overflows makes versions overflow above an income of a million.
func overflows(w *world, versions ...string) {
	for _, v := range versions {
		w.files["churn/"+v].most = 1e6
		w.files["churn/"+v].answer = func(row []float64) float64 {
			if row[3] > 1e6 {
				return math.Inf(1)
			}
			return 0.25
		}
	}
}

func TestAValueThatIsTooLargeIsTheRequestsFault(t *testing.T) {
	t.Parallel()
	large, huge := request(row(map[string]any{"income": 1e50})), request(row(map[string]any{"income": 1e308}))
	many := `{"model":"churn","instances":[` + row(nil) + `,` + row(map[string]any{"income": 1e308}) + `,` + row(map[string]any{"income": 1e50}) + `]}`
	type attempt struct {
		version string
		number  int
		status  string
	}
	for name, c := range map[string]struct {
		body    string
		cant    []string // versions that can't take it
		weight  int
		refused []finding
		logged  []attempt
	}{
		"for the champion":                   {huge, []string{"5"}, 0, []finding{{"/features/income", "overflow", "1e+308"}}, nil},
		"for the champion, not absurdly":     {large, []string{"5"}, 0, []finding{{"/features/income", "overflow", "1e+50"}}, nil},
		"for both":                           {huge, []string{"5", "6"}, 10000, []finding{{"/features/income", "overflow", "1e+308"}}, nil},
		"for both, not absurdly":             {large, []string{"5", "6"}, 10000, []finding{{"/features/income", "overflow", "1e+50"}}, nil},
		"absurdly, for the challenger":       {huge, []string{"6"}, 10000, nil, []attempt{{"5", 0, "ok"}}},
		"not absurdly, for the challenger":   {large, []string{"6"}, 10000, nil, []attempt{{"6", 0, "error"}, {"5", 1, "ok"}}},
		"in several rows, all of them named": {many, []string{"5"}, 0, []finding{{"/instances/1/income", "overflow", "1e+308"}, {"/instances/2/income", "overflow", "1e+50"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			overflows(w, c.cant...)
			w.put(canaryRow(c.weight, 2))
			e := start(t, w)
			got, err := ask(t, e, c.body)
			if c.refused != nil {
				require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
				require.Equal(t, c.refused, findings(t, err))
			} else {
				require.NoError(t, err)
				require.Contains(t, got, `"version":"5","variant":"champion","prediction":"no"`)
			}
			var logged []attempt
			for _, p := range w.log() {
				logged = append(logged, attempt{p.Version, p.Attempt, p.Status})
			}
			require.Equal(t, c.logged, logged)
			got, err = ask(t, e, request(row(nil)))
			require.NoError(t, err, "the next request is not concerned")
			require.Contains(t, got, `"prediction":"no"`)
		})
	}
}

func TestARangeThatNobodyKnowsIsntTold(t *testing.T) {
	t.Parallel()
	for untold, says := range map[bool]string{
		true:  "income is 1e+50, too large for the model: its answer would be no number.",
		false: "income is 1e+50, too large for the model: its answer would be no number. It was trained on 0 to 1e+06.",
	} {
		w := newWorld()
		overflows(w, "5")
		w.files["churn/5"].untold = untold
		_, err := ask(t, start(t, w), request(row(map[string]any{"income": 1e50})))
		_, _, fields := perennial.Explain(err)
		require.Len(t, fields, 1)
		require.Equal(t, says, fields[0].Message)
	}
}

// A value that makes a model file's arithmetic overflow is the request's fault.
func TestAValueThatIsTooLargeForAModelFileIsRefused(t *testing.T) {
	t.Parallel()
	table := &perennial.Table{Schema: house(), Rows: 9, Columns: make([]perennial.Series, 3)}
	for i := range table.Rows {
		rooms, age := float64(i), float64(i*i%7)
		table.Columns[0].Numbers = append(table.Columns[0].Numbers, rooms)
		table.Columns[1].Numbers = append(table.Columns[1].Numbers, age)
		table.Columns[2].Numbers = append(table.Columns[2].Numbers, 1000*rooms-3*age)
	}
	m, err := models.Fit(t.Context(), models.Spec{Task: perennial.Regression, Schema: table.Schema, Algorithm: "ridge"}, table, []int{0, 1, 2, 3, 4, 5, 6, 7, 8})
	require.NoError(t, err)
	file, err := m.Encode()
	require.NoError(t, err)
	w := newWorld()
	o := w.options()
	o.Decode, o.Blobs = nil, fileBlobs(file)
	e := serve.New(o)
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.Stop(context.Background())) })
	_, err = e.Predict(t.Context(), []byte(`{"model":"house","features":{"rooms":1e308,"age":3}}`), perennial.KindLive)
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	require.Equal(t, []finding{{"/features/rooms", "overflow", "1e+308"}}, findings(t, err))
	_, _, fields := perennial.Explain(err)
	require.Equal(t, "rooms is 1e+308, too large for the model: its answer would be no number. It was trained on 0 to 8.", fields[0].Message)
	require.Empty(t, w.log())
	_, err = e.Predict(t.Context(), []byte(`{"model":"house","features":{"rooms":1e300,"age":3}}`), perennial.KindLive)
	require.NoError(t, err, "it is large, and the model can take it")
}

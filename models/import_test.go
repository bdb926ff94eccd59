package models_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models"
)

// foreign is one of the reference models of package imported.
type foreign struct {
	Name      string             `json:"name"`
	File      string             `json:"file"`
	Columns   []perennial.Column `json:"columns"`
	Rows      [][]any            `json:"rows"`
	Answers   [][]float64        `json:"answers"`
	Tolerance float64            `json:"tolerance"`
}

func foreigners(t testing.TB) map[string]foreign {
	t.Helper()
	b, err := os.ReadFile("imported/testdata/cases.json")
	require.NoError(t, err)
	var file struct {
		Cases []foreign `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(b, &file))
	out := map[string]foreign{}
	for _, c := range file.Cases {
		out[c.Name] = c
	}
	return out
}

func (f *foreign) schema() *perennial.Schema {
	s := &perennial.Schema{Version: 1, Columns: append([]perennial.Column(nil), f.Columns...)}
	for i := range s.Columns {
		s.Columns[i].Role, s.Columns[i].Nullable = perennial.RoleFeature, true
	}
	s.Columns[len(s.Columns)-1].Role = perennial.RoleTarget
	return s
}

func (f *foreign) load(t testing.TB) (*models.Model, []byte) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("imported/testdata", f.File))
	require.NoError(t, err)
	m, source, err := models.Import(context.Background(), b, f.schema())
	require.NoError(t, err)
	require.Equal(t, string(source.Format), m.Algorithm())
	encoded, err := m.Encode()
	require.NoError(t, err)
	return m, encoded
}

// TestImportedModelsAnswerFromTheirFile: the library's answers, from a model file
// that was written and read again.
func TestImportedModelsAnswerFromTheirFile(t *testing.T) {
	t.Parallel()
	for name, f := range foreigners(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, encoded := f.load(t)
			m, err := models.Decode(encoded)
			require.NoError(t, err)
			again, err := m.Encode()
			require.NoError(t, err)
			require.Equal(t, encoded, again)
			require.Equal(t, models.TrainerImported, m.Provenance().Trainer)
			require.Len(t, m.Provenance().SourceSHA256, 64)
			require.Zero(t, m.Profile().Rows)
			features, s := m.Schema().Features(), m.NewScratch()
			for i, cells := range f.Rows {
				row := make([]float64, len(cells))
				for j, v := range cells {
					row[j] = nan
					if text, ok := v.(string); ok {
						row[j], _ = features[j].FromString(text)
					} else if number, ok := v.(float64); ok {
						row[j] = number
					}
				}
				value, proba := m.Predict(row, s)
				if m.Task() == perennial.Regression {
					proba = []float64{value}
				}
				for k, want := range f.Answers[i] {
					require.InDelta(t, want, proba[k], 1e-12*max(1, math.Abs(want))+f.Tolerance)
				}
				if m.Task() == perennial.Classification {
					for _, p := range proba {
						require.GreaterOrEqual(t, proba[int(value)], p)
					}
				}
			}
		})
	}
}

//nolint:paralleltest // allocations are counted in the whole process
func TestImportedPredictionsDoNotAllocate(t *testing.T) {
	all := foreigners(t)
	for _, name := range []string{"lightgbm zero_as_missing", "xgboost softprob"} {
		f := all[name]
		m, _ := f.load(t)
		row, s := make([]float64, len(m.Schema().Features())), m.NewScratch()
		require.Zero(t, testing.AllocsPerRun(100, func() { m.Predict(row, s) }), name)
	}
}

func TestBrokenImportedModelsAreMalformed(t *testing.T) {
	t.Parallel()
	f := foreigners(t)["lightgbm zero_as_missing"]
	_, encoded := f.load(t)
	for at := 8; at < len(encoded); at += 97 {
		broken := append([]byte(nil), encoded...)
		broken[at] ^= 0x10
		_, err := models.Decode(broken)
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err), "%d", at)
	}
}

func TestImportedAlgorithmsCannotBeTrained(t *testing.T) {
	t.Parallel()
	for _, a := range models.Algorithms() {
		require.NotContains(t, []string{"lightgbm", "xgboost"}, a.Name)
	}
	faults := models.CheckCandidate(perennial.Regression, perennial.Candidate{Algorithm: "lightgbm"})
	require.Len(t, faults, 1)
	require.Contains(t, faults[0].Message, "can be imported (perennial import), not trained")
}

package boosting_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/models/tree"
	"github.com/perennial-ml/perennial/models/tree/boosting"
)

// Ten iterations' trees must be LightGBM's (testdata/reference.py), split for split: its
// answers are met to the precision of its single-precision gradients.
func TestAnswersAreLightGBMs(t *testing.T) {
	t.Parallel()
	var reference struct {
		X       [][]*float64 `json:"x"`
		Weights []float64    `json:"weights"`
		Cases   map[string]struct {
			Y        []float64   `json:"y"`
			Weighted bool        `json:"weighted"`
			Answers  [][]float64 `json:"answers"`
		} `json:"cases"`
	}
	b, err := os.ReadFile("testdata/reference.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &reference))
	settings := map[string]boosting.Settings{
		"squared":                         {},
		"squared, penalties":              {L1: 2, L2: 3},
		"squared, weights":                {MinLeaf: 1},
		"squared, depth and gain":         {MaxDepth: 2, MinGain: 1.5},
		"two classes":                     {MinLeaf: 1},
		"two classes, weights, penalties": {MinLeaf: 1, L1: 0.5, L2: 1},
		"three classes":                   {MinLeaf: 1},
		"absolute":                        {Loss: boosting.Absolute},
	}
	require.Len(t, reference.Cases, len(settings))
	for name, s := range settings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := reference.Cases[name]
			table := &tree.Table{Y: c.Y, Rows: len(c.Y), Cols: len(reference.X[0])}
			for _, row := range reference.X {
				for _, v := range row {
					if v == nil {
						table.X = append(table.X, nan)
					} else {
						table.X = append(table.X, *v)
					}
				}
			}
			if c.Weighted {
				table.Weights = reference.Weights
			}
			if s.Loss == "" && len(name) > 7 && name[:7] != "squared" {
				table.Classes = max(2, len(c.Answers[0]))
			}
			s.Trees, s.Leaves, s.LearningRate = 10, 8, 0.2
			if s.MinLeaf == 0 {
				s.MinLeaf = 10
			}
			e := fit(t, table, s).Ensemble
			out, far := make([]float64, e.Outputs), 0.0
			for i, want := range c.Answers {
				e.Predict(table.X[i*table.Cols:(i+1)*table.Cols], out)
				for k := range want {
					far = max(far, math.Abs(out[len(out)-len(want)+k]-want[k]))
				}
			}
			require.Less(t, far, 2e-6)
		})
	}
}

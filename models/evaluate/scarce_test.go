package evaluate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
)

func TestScarceClassesAreNamed(t *testing.T) {
	t.Parallel()
	o := evaluate.Observed{Task: perennial.Classification, Classes: 3, Y: []float64{0, 0, 0, 0, 0, 1, 0}}
	require.Equal(t, "Of the 7 rows held out so few are of some classes that metrics say little about them: b (1), c (0).", evaluate.ScarceClasses(o, []string{"a", "b", "c"}))
	require.Contains(t, evaluate.ScarceClasses(o, []string{"a", "b", "c", "d", "e", "f", "g", "h"}), ": b (1), c (0), d (0), e (0), f (0), 2 more.")
	o.Y = []float64{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}
	require.Empty(t, evaluate.ScarceClasses(o, []string{"a", "b"}))
	require.Empty(t, evaluate.ScarceClasses(evaluate.Observed{Task: perennial.Regression, Y: []float64{7.5}}, nil))
}

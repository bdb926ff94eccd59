package pipeline_test

import (
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial/internal/pipeline"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares a text with a file, or writes the file with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// throughJSON gives a spec as it comes out of a bundle.
func throughJSON(t require.TestingT, spec pipeline.Spec) *pipeline.Spec {
	b, err := json.Marshal(spec)
	require.NoError(t, err)
	var back pipeline.Spec
	require.NoError(t, json.Unmarshal(b, &back))
	return &back
}

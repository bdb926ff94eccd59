package worker_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/dvc/dvctest"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/models"
)

// What dvc.lock promises, but for the minutes of searching: the parameters and the
// seed in a shipped model's file, fitted again on the training side of the
// shipped data, give the file's bytes.
func TestShippedModelsAreWhatTheirParametersGive(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skip("the last digit of a sum depends on the processor's fused multiplication; dvc.lock was written on amd64")
	}
	stages := dvctest.Stages(t, "..")
	require.Len(t, stages, 2)
	for _, stage := range stages {
		name := strings.TrimPrefix(stage.Name, "train-")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			for _, out := range stage.Outs {
				if strings.HasSuffix(out.Path, ".model") {
					file, err := os.ReadFile(filepath.Join("..", "data", "remote", "files", "md5", out.MD5[:2], out.MD5[2:]))
					require.NoError(t, err)
					require.True(t, string(file) == string(refit(t, w, name, file)), "the file that came out differs") //nolint:testifylint // not two megabytes of difference
				}
			}
		})
	}
}

// refit fits what a model file says it is, and gives the file that comes out.
func refit(t *testing.T, w *world, name string, file []byte) []byte {
	t.Helper()
	was, err := models.Decode(file)
	require.NoError(t, err)
	spec, err := pipeline.Load("..", "pipelines/"+name+".yaml")
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(w.dir, filepath.FromSlash(spec.Pipeline.Data.Path)))
	require.NoError(t, err)
	table, _, err := dataset.Read(t.Context(), spec.Pipeline.Data.Path, content, &spec.Schema, spec.Pipeline.Data.CSV)
	require.NoError(t, err)
	sides, err := dataset.Split(table, spec.Pipeline.Split, spec.Given)
	require.NoError(t, err)
	units, err := dataset.Units(table, spec.Pipeline.Split)
	require.NoError(t, err)
	model, err := models.Fit(t.Context(), models.Spec{
		Task: was.Task(), Schema: spec.Schema, Preprocess: spec.Pipeline.Preprocess, Algorithm: was.Algorithm(), Params: was.Params(),
		Seed: was.Provenance().Seed, Threads: 2, Positive: spec.Pipeline.Data.Positive,
	}, table, sides.Rows(units, perennial.SideTrain))
	require.NoError(t, err)
	model.SetProvenance(was.Provenance())
	b, err := model.Encode()
	require.NoError(t, err)
	return b
}

package control_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/datastore"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// withStores gives a Control on real tables of pipelines and data sets.
func withStores(t *testing.T, broken ...client.PipelineFault) (*control.Control, *desk, *pipeline.Store) {
	t.Helper()
	g, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "x.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(g)) })
	require.NoError(t, db.Migrate(t.Context(), g, pipeline.Component, pipeline.Migrations))
	require.NoError(t, db.Migrate(t.Context(), g, datastore.Component, datastore.Migrations))
	w, store := &desk{}, pipeline.NewStore(g)
	return control.New(control.Options{
		Audit: w, Applied: store, Datasets: datastore.NewStore(g), Broken: broken, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	}), w, store
}

func irisFiles(t *testing.T) client.ApplyRequest {
	t.Helper()
	root := filepath.Join("..", "..")
	spec, err := pipeline.Load(root, "pipelines/iris.yaml")
	require.NoError(t, err)
	files, err := pipeline.Files(root, spec, "pipelines/iris.yaml")
	require.NoError(t, err)
	return client.ApplyRequest{File: "pipelines/iris.yaml", Files: files, Reason: "first"}
}

func TestApplyAndDeleteAPipeline(t *testing.T) {
	t.Parallel()
	c, w, store := withStores(t)
	trainer := as(t, perennial.AccessTrainer)
	out, err := c.Apply(trainer, "iris", irisFiles(t))
	require.NoError(t, err)
	require.True(t, out.Changed)
	local, err := pipeline.Load(filepath.Join("..", ".."), "pipelines/iris.yaml")
	require.NoError(t, err)
	require.Equal(t, local.Revision, out.Revision, "over the wire it is the same pipeline")
	stored, err := store.Get(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, local, stored)

	out, err = c.Apply(trainer, "iris", irisFiles(t))
	require.NoError(t, err)
	require.False(t, out.Changed)
	require.Len(t, w.audit, 1, "nothing was changed")

	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(c.Delete(trainer, "iris", "")))
	operator := as(t, perennial.AccessOperator)
	require.NoError(t, c.Delete(operator, "iris", "gone"))
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(c.Delete(operator, "iris", "")))
	require.Len(t, w.audit, 2)
	require.Equal(t, "pipeline.delete", w.audit[1].Action)
	require.JSONEq(t, `{"revision":"`+local.Revision+`"}`, string(w.audit[1].Before))
}

func TestApplyNamesEveryFault(t *testing.T) {
	t.Parallel()
	c, w, _ := withStores(t)
	trainer := as(t, perennial.AccessTrainer)
	_, err := c.Apply(trainer, "other", irisFiles(t))
	require.ErrorContains(t, err, "iris, not other")

	req := irisFiles(t)
	delete(req.Files, "pipelines/iris.schema.yaml")
	req.Files["pipelines/iris.yaml"] += "taks: x\n"
	_, err = c.Apply(trainer, "iris", req)
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	_, _, fields := perennial.Explain(err)
	require.Len(t, fields, 2)
	require.Equal(t, "pipelines/iris.yaml", fields[0].File)
	_, err = c.Apply(as(t, perennial.AccessReader), "iris", irisFiles(t))
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(err))
	_, err = os.Stat("pipelines")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, w.audit)
}

func TestRegisterADataset(t *testing.T) {
	t.Parallel()
	c, w, _ := withStores(t)
	register := func(ctx context.Context, md5 string) error {
		_, err := c.RegisterDataset(ctx, "data/x.csv", client.RegisterDatasetRequest{MD5: md5, Size: 3, Reason: "new rows"})
		return err
	}
	a, b := "0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"
	require.NoError(t, register(as(t, perennial.AccessTrainer), a))
	require.NoError(t, register(as(t, perennial.AccessTrainer), a))
	require.NoError(t, register(as(t, perennial.AccessTrainer), b))
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(register(as(t, perennial.AccessLabeler), a)))
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(register(as(t, perennial.AccessTrainer), "x")))
	require.Len(t, w.audit, 2)
	require.Nil(t, w.audit[0].Before)
	require.JSONEq(t, `{"md5":"`+a+`"}`, string(w.audit[1].Before))
	require.JSONEq(t, `{"md5":"`+b+`"}`, string(w.audit[1].After))
}

func TestAPipelineThatIsAppliedIsNoLongerBroken(t *testing.T) {
	t.Parallel()
	other := client.PipelineFault{Pipeline: "other", File: "pipelines/other.yaml"}
	c, _, _ := withStores(t, client.PipelineFault{Pipeline: "iris", File: "pipelines/old.yaml"}, other, client.PipelineFault{File: "pipelines/iris.yaml"})
	require.Len(t, c.PipelineFaults(), 3)
	_, err := c.Apply(as(t, perennial.AccessTrainer), "other", irisFiles(t))
	require.Error(t, err)
	require.Len(t, c.PipelineFaults(), 3)
	_, err = c.Apply(as(t, perennial.AccessTrainer), "iris", irisFiles(t))
	require.NoError(t, err)
	require.Equal(t, []client.PipelineFault{other}, c.PipelineFaults())
}

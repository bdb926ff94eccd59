package control_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/models"
)

// notebooks are the files with which versions of prices were registered, by
// version and path, and what was made of them.
type notebooks struct {
	*mlflow.Tracker

	files   map[string]map[string]string
	lineage map[string]perennial.Lineage
	deleted map[string]bool // runs; false: they never were
}

func (n *notebooks) GetRun(ctx context.Context, id string) (perennial.Run, error) {
	r, err := n.Tracker.GetRun(ctx, id)
	if deleted, ok := n.deleted[id]; ok && !deleted {
		return perennial.Run{}, perennial.Errorf(perennial.CodeNotFound, "fake", "no run %s", id)
	} else if ok {
		r.LifecycleStage = mlflow.LifecycleDeleted
	}
	return r, err
}

func (n *notebooks) OpenVersion(_ context.Context, _, version, path string) (io.ReadCloser, error) {
	b, ok := n.files[version][path]
	if !ok {
		return nil, perennial.Errorf(perennial.CodeNotFound, "fake", "no file %s", path)
	}
	return io.NopCloser(bytes.NewReader([]byte(b))), nil
}

func (n *notebooks) SetLineage(_ context.Context, _, version string, l perennial.Lineage) error {
	n.lineage[version] = l
	return nil
}

func (n *notebooks) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	v, err := n.Tracker.GetVersion(ctx, model, version)
	if l, ok := n.lineage[version]; ok {
		v.Lineage = l
	}
	return v, err
}

// atSchool gives a Control where version 1 of prices, imported, answers, and where
// notebooks have registered the versions from 2 on, with these files.
func atSchool(t *testing.T, files ...map[string]string) (*control.Control, *notebooks, *blob.Store, *serve.TrafficStore) {
	t.Helper()
	g, ctx := stores(t), t.Context()
	blobs, err := blob.Open("file:" + t.TempDir())
	require.NoError(t, err)
	traffic := serve.NewTrafficStore(g)
	n := &notebooks{Tracker: trackerWith(t, g, blobs), files: map[string]map[string]string{}, lineage: map[string]perennial.Lineage{}}
	_, audit := atDesk(t)
	c := control.New(control.Options{
		Imports: n.Tracker, Files: blobs, Blobs: blobs, Traffic: traffic, Registry: n, Sources: n, Audit: audit, Pipelines: audit, Build: "v1",
		Ledger: audit, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Rollouts: activities.Rollouts{Steps: &activities.Activities{Blobs: blobs, Tracker: n, Traffic: traffic}},
	})
	_, err = c.Import(as(t, perennial.AccessTrainer), "prices", lightGBM(t))
	require.NoError(t, err)
	_, err = traffic.Set(ctx, perennial.Traffic{Model: "prices", Mode: perennial.ModeServing, Champion: "1", OpID: "first"}, 0)
	require.NoError(t, err)
	experiment, err := n.EnsureExperiment(ctx, "notebooks")
	require.NoError(t, err)
	for _, f := range files {
		run, err := n.CreateRun(ctx, mlflow.RunSpec{ExperimentID: experiment.ID, StartedAt: 1, Tags: []perennial.Tag{
			{Key: perennial.TagDataMD5, Value: "dd"}, {Key: perennial.TagCommit, Value: "c0ffee"},
		}})
		require.NoError(t, err)
		v, err := n.CreateVersion(ctx, perennial.ModelVersion{Model: "prices", RunID: run.ID, Source: run.ArtifactURI + "/model"}, run.ID)
		require.NoError(t, err)
		n.files[v.Version] = f
	}
	return c, n, blobs, traffic
}

// fixture reads a reference model of package imported.
func fixture(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "models", "imported", "testdata", name))
	require.NoError(t, err)
	return string(b)
}

func TestANotebooksVersionIsServedAsTheLibraryAnswers(t *testing.T) {
	t.Parallel()
	ctx := perennial.WithActor(t.Context(), perennial.Actor{Name: "ann", Role: perennial.AccessOperator})
	file := fixture(t, "lightgbm_regression.txt")
	c, n, blobs, _ := atSchool(t, map[string]string{
		"MLmodel": "flavors: {lightgbm: {data: model.lgb, model_class: lightgbm.basic.Booster}, python_function: {data: model.lgb}}", "model.lgb": file,
	})
	require.NoError(t, c.Servable(ctx, "prices", "2"))
	l := n.lineage["2"]
	require.Equal(t, []string{"lightgbm", "lightgbm", "model.lgb", "c0ffee", "dd", "v1"}, []string{l.Algorithm, l.Imported.Library, l.Imported.File, l.ProjectCommit, l.Data.MD5, l.Build})
	require.NotEmpty(t, l.RunID)
	served, err := blobs.Get(ctx, "sha256:"+l.ModelSHA256)
	require.NoError(t, err)
	m, err := models.Decode(served)
	require.NoError(t, err)
	first, err := n.GetVersion(ctx, "prices", "1")
	require.NoError(t, err)
	require.Equal(t, first.Lineage.ModelSHA256, l.ModelSHA256, "the same file for the same rows, as it was imported")
	value, _ := m.Predict([]float64{1, 2, 3}, m.NewScratch())
	require.False(t, math.IsNaN(value))

	delete(n.files, "2")
	require.NoError(t, c.Servable(ctx, "prices", "2"), "what was read once isn't read again")
}

func TestNotebooksVersionsThatCannotBeServed(t *testing.T) {
	t.Parallel()
	flavor := func(text string) string { return "flavors: {" + text + ", python_function: {data: x}}" }
	for name, c := range map[string]struct {
		files map[string]string
		code  perennial.Code
		says  []string
	}{
		"no model": {nil, perennial.CodeInvalid, []string{"no model file that can be served: there is no file MLmodel at mlflow-artifacts:/", "perennial import prices"}},
		"another library": {map[string]string{"MLmodel": flavor("sklearn: {pickled_model: model.pkl}")}, perennial.CodeInvalid,
			[]string{"a model of sklearn", "LightGBM and XGBoost"}},
		"a pickle": {map[string]string{"MLmodel": flavor("lightgbm: {data: model.pkl, model_class: lightgbm.sklearn.LGBMRegressor}")}, perennial.CodeInvalid,
			[]string{"holds lightgbm.sklearn.LGBMRegressor as Python objects (model.pkl)", "mlflow.lightgbm.log_model(model.booster_"}},
		"skops": {map[string]string{"MLmodel": flavor("lightgbm: {data: model.skops}")}, perennial.CodeInvalid, []string{"mlflow.lightgbm.log_model(model.booster_"}},
		"a pickle of XGBoost": {map[string]string{"MLmodel": flavor("xgboost: {data: model.pkl}")}, perennial.CodeInvalid,
			[]string{"model.get_booster()"}},
		"a pickle by another name": {map[string]string{"MLmodel": flavor("lightgbm: {data: model.lgb}"), "model.lgb": "\x80\x05\x95"}, perennial.CodeInvalid,
			[]string{"pickle"}},
		"other columns": {map[string]string{"MLmodel": flavor("xgboost: {data: model.json}"), "model.json": fixture(t, "xgboost_regression.json")}, perennial.CodeInvalid,
			[]string{"the schema doesn't fit the model", "feature"}},
		"a path that leads elsewhere": {map[string]string{"MLmodel": flavor("lightgbm: {data: ../../model.lgb}")}, perennial.CodeInvalid, []string{"leads elsewhere"}},
		"half a file":                 {map[string]string{"MLmodel": flavor("lightgbm: {data: model.lgb}"), "model.lgb": fixture(t, "lightgbm_regression.txt")[:900]}, perennial.CodeMalformed, nil},
		"a description of nothing":    {map[string]string{"MLmodel": "x"}, perennial.CodeMalformed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			control, n, _, traffic := atSchool(t, c.files)
			ctx := perennial.WithActor(t.Context(), perennial.Actor{Name: "ann", Role: perennial.AccessOperator})
			before, err := traffic.Get(ctx, "prices")
			require.NoError(t, err)
			err = control.AliasMoved(ctx, "ann", "prices", perennial.AliasChampion, "2")
			require.Equal(t, c.code, perennial.CodeOf(err), "%v", err)
			message, hint, _ := perennial.Explain(err)
			for _, part := range c.says {
				require.Contains(t, message+" "+hint, part)
			}
			after, err := traffic.Get(ctx, "prices")
			require.NoError(t, err)
			require.Equal(t, before, after)
			require.Empty(t, n.lineage)
			view, err := control.Rollout(ctx, "prices")
			require.NoError(t, err)
			require.Equal(t, "2", view.Alias.Version)
		})
	}
}

func TestAVersionOfARunThatIsGone(t *testing.T) {
	t.Parallel()
	c, n, _, _ := atSchool(t, nil)
	v, err := n.GetVersion(t.Context(), "prices", "2")
	require.NoError(t, err)
	for deleted, says := range map[bool]string{true: "is deleted", false: "doesn't exist"} {
		n.deleted = map[string]bool{v.RunID: deleted}
		err := c.Servable(as(t, perennial.AccessOperator), "prices", "2")
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
		require.ErrorContains(t, err, "its run "+v.RunID+" "+says+", and there is no file MLmodel at "+v.Source)
	}
}

func TestAVersionOfAModelThatPerennialTrained(t *testing.T) {
	t.Parallel()
	ctx := perennial.WithActor(t.Context(), perennial.Actor{Name: "ann", Role: perennial.AccessOperator})
	c, n, blobs, _ := atSchool(t, nil)
	first, err := n.GetVersion(ctx, "prices", "1")
	require.NoError(t, err)
	file, err := blobs.Get(ctx, "sha256:"+first.Lineage.ModelSHA256)
	require.NoError(t, err)
	n.files["2"] = map[string]string{"MLmodel": "flavors: {perennial: {model_file: model.perennial}}", "model.perennial": string(file)}
	require.NoError(t, c.Servable(ctx, "prices", "2"))
	require.Equal(t, first.Lineage.ModelSHA256, n.lineage["2"].ModelSHA256)
	require.Nil(t, n.lineage["2"].Imported)
}

package worker_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/project"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/worker"
	"github.com/perennial-ml/perennial/workflows"
)

// world is a demo project with real stores and real activities; only Temporal
// is the SDK's test environment.
type world struct {
	dir       string
	db        *gorm.DB
	artifacts string // directory
	blobs     *blob.Store
	tracking  *mlflow.Tracker
	ledger    *ledger.Store
	traffic   *serve.TrafficStore
	pipeline  *pipeline.Store
	act       *activities.Activities
	runs      int
}

func setup(t *testing.T) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{dir: filepath.Join(t.TempDir(), "project")}
	require.NoError(t, project.Init(w.dir, true))
	w.quick(t)
	w.stores(t, filepath.Join(t.TempDir(), "state.db"), filepath.Join(t.TempDir(), "artifacts"))
	repo, err := dvc.Open(w.dir)
	require.NoError(t, err)
	_, err = repo.Restore(ctx, "data/raw/iris.csv", "data/raw/california-housing.csv")
	require.NoError(t, err)
	w.act = &activities.Activities{
		Pipelines: w.pipeline, Data: repo, Blobs: w.blobs, Tracker: w.tracking, Ledger: w.ledger, Traffic: w.traffic,
		Now: time.Now, Build: "test", Threads: 2, Project: w.dir,
	}
	w.apply(t)
	return w
}

// apply reads the project's pipelines again.
func (w *world) apply(t *testing.T) {
	t.Helper()
	specs, broken, err := pipeline.LoadDir(w.dir, filepath.Join(w.dir, "pipelines"))
	require.NoError(t, err)
	require.Empty(t, broken)
	for _, spec := range specs {
		_, err := w.pipeline.Apply(t.Context(), spec, 1)
		require.NoError(t, err)
	}
}

// edit replaces text in a file of the project.
func (w *world) edit(t *testing.T, file, old, replacement string) {
	t.Helper()
	file = filepath.Join(w.dir, file)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(b), old)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(b), old, replacement, 1)), 0o600))
}

// quick gives california-housing a search that takes a second instead of minutes.
func (w *world) quick(t *testing.T) {
	t.Helper()
	file := filepath.Join(w.dir, "pipelines", "california-housing.yaml")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	search := regexp.MustCompile(`(?s)candidates:.*select:`)
	require.Regexp(t, search, string(b))
	b = search.ReplaceAll(b, []byte("candidates:\n  - {algorithm: ridge, search: {alpha: {log: [0.001, 100]}}}\ntuning: {strategy: random, trials: 8, folds: 5, seed: 42}\nselect:"))
	require.NoError(t, os.WriteFile(file, b, 0o600))
}

// environment is one in which workflows run with everything real but Temporal. It
// is patient: it waits for the slowest step on a busy machine.
func (w *world) environment() *testsuite.TestWorkflowEnvironment {
	env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
	env.SetTestTimeout(10 * time.Minute)
	env.SetWorkerOptions(sdkworker.Options{Interceptors: worker.Interceptors(nil, nil), MaxHeartbeatThrottleInterval: time.Second, DeadlockDetectionTimeout: time.Minute})
	worker.Register(env)
	env.RegisterActivity(w.act)
	return env
}

// train runs the Train workflow with everything real but Temporal. Each call is
// another workflow run.
func (w *world) train(t *testing.T, name string, budget perennial.Budget) (workflows.TrainResult, error) {
	t.Helper()
	w.runs++
	w.act.Tracker = numbered{w.tracking, w.runs}
	env := w.environment()
	env.ExecuteWorkflow(workflows.Train, workflows.TrainInput{Pipeline: name, Budget: budget, Trigger: "manual", Reason: "test", Actor: "me"})
	if err := env.GetWorkflowError(); err != nil {
		return workflows.TrainResult{}, err
	}
	var result workflows.TrainResult
	require.NoError(t, env.GetWorkflowResult(&result))
	return result, nil
}

func TestTrainingIris(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	result, err := w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	require.Equal(t, perennial.OutcomeTrained, result.Outcome)
	require.True(t, result.InService)
	run, err := w.tracking.GetRun(ctx, result.RunID)
	require.NoError(t, err)
	require.Equal(t, perennial.RunFinished, run.Status)
	require.Equal(t, "train iris "+time.UnixMilli(run.StartedAt).UTC().Format("2006-01-02 15:04"), run.Name)
	accuracy, ok := run.Metric("accuracy")
	require.True(t, ok)
	require.GreaterOrEqual(t, accuracy, 0.93)
	for _, stage := range []string{"", "fit_", "evaluate_"} {
		for _, what := range []string{"cpu_seconds", "wall_seconds", "peak_memory_bytes"} {
			v, ok := run.Metric(stage + what)
			require.True(t, ok, stage+what)
			require.Positive(t, v, stage+what)
		}
	}
	trials, err := w.ledger.Trials(ctx, result.RunID)
	require.NoError(t, err)
	for i := range trials {
		require.Positive(t, trials[i].CPU)
		require.Greater(t, trials[i].Memory, int64(1<<20))
	}

	candidates, err := w.tracking.ChildRuns(ctx, result.RunID)
	require.NoError(t, err)
	require.Len(t, candidates, len(trials), "each trial is a run")
	algorithms := map[string]bool{}
	for _, c := range candidates {
		algorithms[c.Tag(perennial.TagAlgorithm)] = true
	}
	require.Equal(t, map[string]bool{"logistic_regression": true, "malaschitz_forest": true}, algorithms)

	decision, err := w.ledger.Decision(ctx, result.Decision)
	require.NoError(t, err)
	require.True(t, decision.Passed)
	version, err := w.tracking.GetVersion(ctx, "iris", result.Version)
	require.NoError(t, err)
	require.Equal(t, []string{perennial.AliasChampion}, version.Aliases)
	file, err := w.blobs.Get(ctx, "sha256:"+version.Lineage.ModelSHA256)
	require.NoError(t, err)
	model, err := models.Decode(file)
	require.NoError(t, err)
	require.Equal(t, []string{"setosa", "versicolor", "virginica"}, model.Classes())
	require.Equal(t, version.Lineage.Data.MD5, model.Provenance().DataMD5)
}

func TestTrainingCaliforniaHousingOnTheReferenceSplit(t *testing.T) {
	t.Parallel()
	w := setup(t)
	result, err := w.train(t, "california-housing", perennial.BudgetBootstrap)
	require.NoError(t, err)
	run, err := w.tracking.GetRun(t.Context(), result.RunID)
	require.NoError(t, err)
	rmse, _ := run.Metric("rmse")
	require.InDelta(t, 0.7456, rmse, 0.01)
	rows, _ := run.Metric("evaluated_rows")
	require.EqualValues(t, 4128, rows)
}

func TestTrainingTwiceGivesTheSameModelFile(t *testing.T) {
	t.Parallel()
	w := setup(t)
	first, err := w.train(t, "california-housing", perennial.BudgetBootstrap)
	require.NoError(t, err)
	w.act.Threads = 1
	second, err := w.train(t, "california-housing", perennial.BudgetBootstrap)
	require.NoError(t, err)
	require.NotEqual(t, first.RunID, second.RunID)
	require.Equal(t, "2", second.Version)
	row, err := w.traffic.Get(t.Context(), "california-housing")
	require.NoError(t, err)
	require.Equal(t, "1", row.Champion, "a later version takes over by a rollout")
	a, err := w.tracking.GetVersion(t.Context(), "california-housing", "1")
	require.NoError(t, err)
	b, err := w.tracking.GetVersion(t.Context(), "california-housing", "2")
	require.NoError(t, err)
	require.Equal(t, a.Lineage.ModelSHA256, b.Lineage.ModelSHA256)
	require.Equal(t, a.Lineage.Data, b.Lineage.Data)
}

func TestLaterDataKeepsEverySide(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	_, err := w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	w.edit(t, "data/raw/iris.csv", "5.1,3.5,1.4,0.2,setosa\n", "5.1,3.5,1.4,0.3,setosa\n5.0,3.4,1.5,0.2,setosa\n4.4,3.1,1.2,0.1,setosa\n")
	_, err = w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	first, err := w.tracking.GetVersion(ctx, "iris", "1")
	require.NoError(t, err)
	second, err := w.tracking.GetVersion(ctx, "iris", "2")
	require.NoError(t, err)
	require.NotEqual(t, first.Lineage.Data.MD5, second.Lineage.Data.MD5)
	require.Equal(t, second.Lineage.Data.MD5, second.Lineage.Data.BaseMD5, "no feedback is in it")
	require.Equal(t, 152, second.Lineage.Data.Rows)
	before, after := w.sides(t, first), w.sides(t, second)
	for key, side := range before {
		require.Equal(t, side, after[key])
	}
}

// sides reads a version's side table.
func (w *world) sides(t *testing.T, v perennial.ModelVersion) map[string]string {
	t.Helper()
	b, err := w.blobs.Get(context.Background(), "sha256:"+v.Lineage.Data.Sides)
	require.NoError(t, err)
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, side, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		out[key] = side
	}
	return out
}

func TestTrainingNamesTheBadLine(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.edit(t, "data/raw/iris.csv", "setosa", "rose")
	_, err := w.train(t, "iris", perennial.BudgetBootstrap)
	f := workflows.FailureOf(err)
	require.Equal(t, perennial.CodeInvalid, f.Code)
	require.Equal(t, 2, f.Errors[0].Line)
	require.Equal(t, "rose", f.Errors[0].Came)
	runs, _, err := w.tracking.SearchRuns(t.Context(), "iris", 10, "")
	require.NoError(t, err)
	require.Equal(t, perennial.RunFailed, runs[0].Status)
}

func TestTrainingWithoutDataSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.NoError(t, os.RemoveAll(filepath.Join(w.dir, "data")))
	_, err := w.train(t, "iris", perennial.BudgetBootstrap)
	f := workflows.FailureOf(err)
	require.Equal(t, perennial.CodeNotFound, f.Code)
	require.Contains(t, f.Message, "data/raw/iris.csv")
}

func TestUnknownPipelineIsNotFound(t *testing.T) {
	t.Parallel()
	w := setup(t)
	_, err := w.train(t, "nobody", perennial.BudgetBootstrap)
	require.Equal(t, perennial.CodeNotFound, workflows.FailureOf(err).Code)
}

func TestLaterRowsKeepTheirSideWhenTheSplitOfTheFileChanges(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	w.edit(t, "pipelines/iris.yaml", "split: {by: given, file: pipelines/iris.split.csv, stream: 0.5, seed: 42}", "split: {by: random, test: 0.2, seed: 42}")
	w.apply(t)
	_, err := w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	w.edit(t, "data/raw/iris.csv", "5.1,3.5,1.4,0.2,setosa\n", "5.1,3.5,1.4,0.2,setosa\n5.0,3.4,1.5,0.25,setosa\n4.4,3.1,1.2,0.15,setosa\n4.5,3.2,1.2,0.15,setosa\n4.6,3.1,1.25,0.1,setosa\n4.7,3.1,1.25,0.1,setosa\n")
	_, err = w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	w.edit(t, "pipelines/iris.yaml", "test: 0.2, seed: 42", "test: 0.5, seed: 7")
	w.apply(t)
	_, err = w.train(t, "iris", perennial.BudgetBootstrap)
	require.NoError(t, err)
	second, err := w.tracking.GetVersion(ctx, "iris", "2")
	require.NoError(t, err)
	third, err := w.tracking.GetVersion(ctx, "iris", "3")
	require.NoError(t, err)
	require.Equal(t, w.sides(t, second), w.sides(t, third))
}

// Under a schema with other columns every row has another key. What the champion
// was trained on is told by the champion's own keys, or it would be judged on
// rows that it knows.
func TestTheChampionIsJudgedOnRowsItWasNotTrainedOnUnderAnotherSchema(t *testing.T) {
	t.Parallel()
	const all, without = "petal_width: {type: numeric, range: [0.1, 2.5], out_of_range: warn}", "petal_width: {role: ignore}"
	for name, c := range map[string]struct{ first, second string }{"a column less": {all, without}, "a column more": {without, all}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.edit(t, "pipelines/iris.yaml", "gates:\n", "gates:\n  - {metric: accuracy, vs: champion, max_regression: 0.9}\n")
			var held [2][]bool
			var result workflows.TrainResult
			for i, column := range []string{c.first, c.second} {
				w.edit(t, "pipelines/iris.schema.yaml", map[bool]string{true: all, false: c.first}[i == 0], column)
				w.apply(t)
				var err error
				result, err = w.train(t, "iris", perennial.BudgetBootstrap)
				require.NoError(t, err)
				held[i] = w.heldOut(t, result.Version)
			}
			want := 0
			for r := range held[0] {
				if held[0][r] && held[1][r] {
					want++
				}
			}
			decision, err := w.ledger.Decision(t.Context(), result.Decision)
			require.NoError(t, err)
			require.Positive(t, want)
			require.Equal(t, want, decision.Checks[0].N)
		})
	}
}

// heldOut tells for every row of iris whether a version was kept from it.
func (w *world) heldOut(t *testing.T, version string) []bool {
	t.Helper()
	v, err := w.tracking.GetVersion(t.Context(), "iris", version)
	require.NoError(t, err)
	spec, err := w.pipeline.Revision(t.Context(), "iris", v.Lineage.PipelineRevision)
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(w.dir, "data/raw/iris.csv"))
	require.NoError(t, err)
	table, _, err := dataset.Read(t.Context(), "iris.csv", b, &spec.Schema, spec.Pipeline.Data.CSV)
	require.NoError(t, err)
	sides, out := w.sides(t, v), make([]bool, table.Rows)
	for r, key := range table.Keys() {
		out[r] = sides[key] != string(perennial.SideTrain)
	}
	return out
}

func TestAChampionThatTheDataNoLongerFitsIsNotComparedWith(t *testing.T) {
	t.Parallel()
	for name, gate := range map[string]bool{"with a gate": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			if gate {
				w.edit(t, "pipelines/iris.yaml", "gates:\n", "gates:\n  - {metric: accuracy, vs: champion, max_regression: 0.9}\n")
				w.apply(t)
			}
			_, err := w.train(t, "iris", perennial.BudgetBootstrap)
			require.NoError(t, err)
			w.edit(t, "data/raw/iris.csv", "petal_width", "petal_girth")
			w.edit(t, "pipelines/iris.schema.yaml", "petal_width", "petal_girth")
			w.apply(t)
			result, err := w.train(t, "iris", perennial.BudgetBootstrap)
			require.NoError(t, err)
			run, err := w.tracking.GetRun(t.Context(), result.RunID)
			require.NoError(t, err)
			require.Contains(t, run.Tag("perennial.warning"), "petal_width")
			decision, err := w.ledger.Decision(t.Context(), result.Decision)
			require.NoError(t, err)
			require.Equal(t, !gate, decision.Passed)
		})
	}
}

// constantXGBoost is a model of three classes that answers every row alike.
const constantXGBoost = `{"learner":{"attributes":{},"feature_names":[],"feature_types":[],"gradient_booster":{"model":{
	"gbtree_model_param":{"num_parallel_tree":"1"},"tree_info":[],"trees":[]},"name":"gbtree"},
	"learner_model_param":{"base_score":"5E-1","num_class":"3","num_feature":"4","num_target":"1"},"objective":{"name":"multi:softprob"}},"version":[2,1,4]}`

func TestAnImportedChampionIsNotComparedWith(t *testing.T) {
	t.Parallel()
	for name, gate := range map[string]bool{"with a gate": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ctx := setup(t), t.Context()
			if gate {
				w.edit(t, "pipelines/iris.yaml", "gates:\n", "gates:\n  - {metric: accuracy, vs: champion, max_regression: 0.9}\n")
				w.apply(t)
			}
			spec, err := w.pipeline.Get(ctx, "iris")
			require.NoError(t, err)
			m, _, err := models.Import(ctx, []byte(constantXGBoost), &spec.Schema)
			require.NoError(t, err)
			b, err := m.Encode()
			require.NoError(t, err)
			key, err := w.blobs.Put(ctx, b)
			require.NoError(t, err)
			_, err = w.tracking.EnsureModel(ctx, "iris")
			require.NoError(t, err)
			experiment, err := w.tracking.EnsureExperiment(ctx, "iris")
			require.NoError(t, err)
			imported, err := w.tracking.CreateRun(ctx, mlflow.RunSpec{ExperimentID: experiment.ID, StartedAt: 1, Op: "import"})
			require.NoError(t, err)
			v, err := w.tracking.CreateVersion(ctx, perennial.ModelVersion{Model: "iris", RunID: imported.ID, Source: imported.ArtifactURI + "/model", Lineage: perennial.Lineage{
				ModelSHA256: strings.TrimPrefix(key, "sha256:"), Algorithm: m.Algorithm(), Imported: &perennial.ImportLineage{File: "model.json"},
			}}, "import")
			require.NoError(t, err)
			_, err = w.traffic.Set(ctx, perennial.Traffic{Model: "iris", Mode: perennial.ModeServing, Champion: v.Version, OpID: "op", ChangedAt: 1}, 0)
			require.NoError(t, err)

			result, err := w.train(t, "iris", perennial.BudgetBootstrap)
			require.NoError(t, err)
			run, err := w.tracking.GetRun(ctx, result.RunID)
			require.NoError(t, err)
			require.Contains(t, run.Tag("perennial.warning"), "Version 1, in service, was imported")
			decision, err := w.ledger.Decision(ctx, result.Decision)
			require.NoError(t, err)
			require.Equal(t, !gate, decision.Passed)
		})
	}
}

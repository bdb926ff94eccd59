package worker_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/predlog"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/workflows"
)

// replies loses the reply of one call of each step of one kind of workflow: its
// nth, in the step's first try. The call itself is carried out.
type replies struct {
	mu    sync.Mutex
	of    string // the workflow's type
	nth   int
	calls map[string]int // by step
	lost  []string
}

func (r *replies) reply(ctx context.Context, call string, err error) error {
	if !activity.IsActivity(ctx) {
		return err
	}
	info := activity.GetInfo(ctx)
	if info.WorkflowType.Name != r.of {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	step := info.WorkflowType.Name + info.ActivityID
	r.calls[step]++
	if info.Attempt > 1 || r.calls[step] != r.nth || err != nil {
		return err
	}
	r.lost = append(r.lost, info.ActivityType.Name+": "+call)
	return perennial.Errorf(perennial.CodeUnavailable, call, "the reply is lost")
}

// answer is reply for a call that gives something.
func answer[T any](ctx context.Context, r *replies, call string, v T, err error) (T, error) {
	err = r.reply(ctx, call, err)
	return v, err
}

type lossyTracker struct {
	activities.Tracker
	r *replies
}

func (l lossyTracker) EnsureExperiment(ctx context.Context, name string) (perennial.Experiment, error) {
	v, err := l.Tracker.EnsureExperiment(ctx, name)
	return answer(ctx, l.r, "EnsureExperiment", v, err)
}

func (l lossyTracker) CreateRun(ctx context.Context, spec mlflow.RunSpec) (perennial.Run, error) {
	v, err := l.Tracker.CreateRun(ctx, spec)
	return answer(ctx, l.r, "CreateRun", v, err)
}

func (l lossyTracker) UpdateRun(ctx context.Context, id string, status perennial.RunStatus, endedAt int64) error {
	return l.r.reply(ctx, "UpdateRun", l.Tracker.UpdateRun(ctx, id, status, endedAt))
}

func (l lossyTracker) GetRun(ctx context.Context, id string) (perennial.Run, error) {
	v, err := l.Tracker.GetRun(ctx, id)
	return answer(ctx, l.r, "GetRun", v, err)
}

func (l lossyTracker) LogBatch(ctx context.Context, runID string, metrics []perennial.Metric, params, tags []perennial.Tag) error {
	return l.r.reply(ctx, "LogBatch", l.Tracker.LogBatch(ctx, runID, metrics, params, tags))
}

func (l lossyTracker) LogInput(ctx context.Context, runID string, in perennial.DatasetInput, schema *perennial.Schema) error {
	return l.r.reply(ctx, "LogInput", l.Tracker.LogInput(ctx, runID, in, schema))
}

func (l lossyTracker) LogArtifact(ctx context.Context, runID string, a perennial.Artifact) error {
	return l.r.reply(ctx, "LogArtifact", l.Tracker.LogArtifact(ctx, runID, a))
}

func (l lossyTracker) Artifacts(ctx context.Context, runID string) ([]perennial.Artifact, error) {
	v, err := l.Tracker.Artifacts(ctx, runID)
	return answer(ctx, l.r, "Artifacts", v, err)
}

func (l lossyTracker) ReadArtifact(ctx context.Context, runID, path string) ([]byte, error) {
	v, err := l.Tracker.ReadArtifact(ctx, runID, path)
	return answer(ctx, l.r, "ReadArtifact", v, err)
}

func (l lossyTracker) LogModel(ctx context.Context, m mlflow.ModelSpec) (string, error) {
	v, err := l.Tracker.LogModel(ctx, m)
	return answer(ctx, l.r, "LogModel", v, err)
}

func (l lossyTracker) EnsureModel(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	v, err := l.Tracker.EnsureModel(ctx, name)
	return answer(ctx, l.r, "EnsureModel", v, err)
}

func (l lossyTracker) CreateVersion(ctx context.Context, m perennial.ModelVersion, op string) (perennial.ModelVersion, error) {
	v, err := l.Tracker.CreateVersion(ctx, m, op)
	return answer(ctx, l.r, "CreateVersion", v, err)
}

func (l lossyTracker) GetVersion(ctx context.Context, model, version string) (perennial.ModelVersion, error) {
	v, err := l.Tracker.GetVersion(ctx, model, version)
	return answer(ctx, l.r, "GetVersion", v, err)
}

func (l lossyTracker) SetAlias(ctx context.Context, model, alias, version string) error {
	return l.r.reply(ctx, "SetAlias", l.Tracker.SetAlias(ctx, model, alias, version))
}

type lossyBlobs struct {
	activities.Blobs
	r *replies
}

func (l lossyBlobs) Put(ctx context.Context, b []byte) (string, error) {
	v, err := l.Blobs.Put(ctx, b)
	return answer(ctx, l.r, "Put", v, err)
}

func (l lossyBlobs) PutMD5(ctx context.Context, r io.Reader) (string, int64, error) {
	v, size, err := l.Blobs.PutMD5(ctx, r)
	return v, size, l.r.reply(ctx, "PutMD5", err)
}

func (l lossyBlobs) Has(ctx context.Context, key string) (bool, error) {
	v, err := l.Blobs.Has(ctx, key)
	return answer(ctx, l.r, "Has", v, err)
}

func (l lossyBlobs) Get(ctx context.Context, key string) ([]byte, error) {
	v, err := l.Blobs.Get(ctx, key)
	return answer(ctx, l.r, "Get", v, err)
}

type lossyLedger struct {
	activities.Ledger
	r *replies
}

func (l lossyLedger) SaveDecision(ctx context.Context, d perennial.Decision) error {
	return l.r.reply(ctx, "SaveDecision", l.Ledger.SaveDecision(ctx, d))
}

func (l lossyLedger) Decision(ctx context.Context, id string) (perennial.Decision, error) {
	v, err := l.Ledger.Decision(ctx, id)
	return answer(ctx, l.r, "Decision", v, err)
}

func (l lossyLedger) SaveTrial(ctx context.Context, t ledger.Trial) error {
	return l.r.reply(ctx, "SaveTrial", l.Ledger.SaveTrial(ctx, t))
}

func (l lossyLedger) Trials(ctx context.Context, study string) ([]ledger.Trial, error) {
	v, err := l.Ledger.Trials(ctx, study)
	return answer(ctx, l.r, "Trials", v, err)
}

func (l lossyLedger) SaveWorkflow(ctx context.Context, w ledger.Workflow) error {
	return l.r.reply(ctx, "SaveWorkflow", l.Ledger.SaveWorkflow(ctx, w))
}

func (l lossyLedger) BaseSides(ctx context.Context, name string) (ledger.BaseSides, bool, error) {
	v, ok, err := l.Ledger.BaseSides(ctx, name)
	return v, ok, l.r.reply(ctx, "BaseSides", err)
}

func (l lossyLedger) SaveBaseSides(ctx context.Context, b ledger.BaseSides) (ledger.BaseSides, error) {
	v, err := l.Ledger.SaveBaseSides(ctx, b)
	return answer(ctx, l.r, "SaveBaseSides", v, err)
}

func (l lossyLedger) Attempt(ctx context.Context, run string) (ledger.Attempt, bool, error) {
	v, ok, err := l.Ledger.Attempt(ctx, run)
	return v, ok, l.r.reply(ctx, "Attempt", err)
}

func (l lossyLedger) Attempts(ctx context.Context, name string, since int64) ([]ledger.Attempt, error) {
	v, err := l.Ledger.Attempts(ctx, name, since)
	return answer(ctx, l.r, "Attempts", v, err)
}

func (l lossyLedger) LastAttempt(ctx context.Context, name string) (ledger.Attempt, bool, error) {
	v, ok, err := l.Ledger.LastAttempt(ctx, name)
	return v, ok, l.r.reply(ctx, "LastAttempt", err)
}

func (l lossyLedger) SaveAttempt(ctx context.Context, a ledger.Attempt) error {
	return l.r.reply(ctx, "SaveAttempt", l.Ledger.SaveAttempt(ctx, a))
}

func (l lossyLedger) EndAttempt(ctx context.Context, run string, outcome perennial.Outcome, version string, now int64) error {
	return l.r.reply(ctx, "EndAttempt", l.Ledger.EndAttempt(ctx, run, outcome, version, now))
}

type lossyTraffic struct {
	activities.Traffic
	r *replies
}

func (l lossyTraffic) Get(ctx context.Context, model string) (perennial.Traffic, error) {
	v, err := l.Traffic.Get(ctx, model)
	return answer(ctx, l.r, "Traffic.Get", v, err)
}

func (l lossyTraffic) Set(ctx context.Context, next perennial.Traffic, epoch int64) (perennial.Traffic, error) {
	v, err := l.Traffic.Set(ctx, next, epoch)
	return answer(ctx, l.r, "Traffic.Set", v, err)
}

func (l lossyTraffic) RolloutRows(ctx context.Context, model, id string) ([]perennial.Traffic, error) {
	v, err := l.Traffic.RolloutRows(ctx, model, id)
	return answer(ctx, l.r, "RolloutRows", v, err)
}

func (l lossyTraffic) Renew(ctx context.Context, model string, epoch int64) (bool, error) {
	v, err := l.Traffic.Renew(ctx, model, epoch)
	return answer(ctx, l.r, "Renew", v, err)
}

// Replicas gives one serving process that has everything.
func (l lossyTraffic) Replicas(ctx context.Context, model, version string) ([]serve.Replica, error) {
	return answer(ctx, l.r, "Replicas", []serve.Replica{{Replica: "a", Model: model, Version: version, State: serve.ReplicaLoaded}}, nil)
}

func (l lossyTraffic) Frozen(ctx context.Context, model string, now int64) (serve.Freeze, bool, error) {
	v, ok, err := l.Traffic.Frozen(ctx, model, now)
	return v, ok, l.r.reply(ctx, "Frozen", err)
}

func (l lossyTraffic) Reject(ctx context.Context, f serve.RejectedFile) error {
	return l.r.reply(ctx, "Reject", l.Traffic.Reject(ctx, f))
}

func (l lossyTraffic) Rejected(ctx context.Context, model, sha256 string) (serve.RejectedFile, bool, error) {
	v, ok, err := l.Traffic.Rejected(ctx, model, sha256)
	return v, ok, l.r.reply(ctx, "Rejected", err)
}

type lossyPipelines struct {
	activities.Pipelines
	r *replies
}

func (l lossyPipelines) Get(ctx context.Context, name string) (*pipeline.Spec, error) {
	v, err := l.Pipelines.Get(ctx, name)
	return answer(ctx, l.r, "Pipelines.Get", v, err)
}

func (l lossyPipelines) Revision(ctx context.Context, name, sha256 string) (*pipeline.Spec, error) {
	v, err := l.Pipelines.Revision(ctx, name, sha256)
	return answer(ctx, l.r, "Revision", v, err)
}

// counted is evidence that is always there.
type counted struct {
	errors int // of the challenger
	r      *replies
}

func (c counted) Evidence(ctx context.Context, _ string, since int64) (map[perennial.Variant]predlog.Counts, error) {
	good, ours := predlog.Counts{N: 500}, predlog.Counts{N: 500}
	if since > 2 { // it has been asked
		ours.Errors = c.errors
	}
	return answer(ctx, c.r, "Evidence", map[perennial.Variant]predlog.Counts{
		perennial.VariantChampion: good, perennial.VariantChallenger: ours, perennial.VariantPrevious: good,
	}, nil)
}

// attended knows every workflow as running, and every order as given.
type attended struct{ r *replies }

func (a attended) Running(ctx context.Context, _, _ string) (bool, error) {
	return answer(ctx, a.r, "Running", true, nil)
}

func (a attended) TakeOrder(ctx context.Context, _ access.Order, _ string) (string, bool, error) {
	return "me", true, a.r.reply(ctx, "TakeOrder", nil)
}

func (a attended) Append(_ context.Context, e perennial.AuditEntry) (perennial.AuditEntry, error) {
	return e, nil
}

// quickRollouts makes a world whose rollouts of iris take no time.
func quickRollouts(t *testing.T) *world {
	t.Helper()
	w := setup(t)
	w.edit(t, "pipelines/iris.yaml", "gates:\n", "rollout: {steps: [5, 50], min_requests: 10, watch: {for: 20ms, holdback: 5}}\ngates:\n")
	w.apply(t)
	return w
}

// lossy makes a world like another one, where the nth reply of each step of a
// workflow is lost.
func lossy(t *testing.T, like *world, of string, nth, challengerErrors int) (*world, *replies) {
	t.Helper()
	w, r := like.again(t), &replies{of: of, nth: nth, calls: map[string]int{}}
	w.act.Blobs, w.act.Ledger, w.act.Traffic = lossyBlobs{w.blobs, r}, lossyLedger{w.ledger, r}, lossyTraffic{w.traffic, r}
	w.act.Pipelines, w.act.Tracker, w.act.Evidence = lossyPipelines{w.pipeline, r}, lossyTracker{w.tracking, r}, counted{challengerErrors, r}
	w.act.Look = time.Millisecond
	w.act.Workflows, w.act.Orders, w.act.Guarded = attended{r}, attended{r}, func(context.Context) (bool, error) { return true, nil }
	return w, r
}

// play runs a workflow with the world's activities.
func (w *world) play(t *testing.T, prepare func(env *testsuite.TestWorkflowEnvironment), workflow any, in, result any) {
	t.Helper()
	env := w.environment()
	prepare(env)
	env.ExecuteWorkflow(workflow, in)
	require.NoError(t, env.GetWorkflowError())
	require.NoError(t, env.GetWorkflowResult(result))
}

// everyReplyLost runs something over and over: the first time each step loses the
// reply of its first call of a store or of the registry, the second time of its
// second, until no step makes so many.
func everyReplyLost(t *testing.T, least int, run func(nth int) (lost []string)) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	total := 0
	for nth := 1; ; nth++ {
		lost := run(nth)
		if len(lost) == 0 {
			break
		}
		total += len(lost)
	}
	t.Logf("%d replies were lost", total)
	require.Greater(t, total, least)
}

// However a training goes, there is one run, one version, and it is in service.
func TestEveryReplyOfATrainingLostOnce(t *testing.T) {
	t.Parallel()
	like := quickRollouts(t)
	everyReplyLost(t, 50, func(nth int) []string {
		w, r := lossy(t, like, "Train", nth, 0)
		w.trainAndRegister(t, r)
		require.Equal(t, []string{"serving 1/ 0"}, w.history(t), "after losing %v", r.lost)
		versions, err := w.tracking.Versions(t.Context(), "iris")
		require.NoError(t, err)
		require.Len(t, versions, 1, "after losing %v", r.lost)
		require.Equal(t, []string{perennial.AliasChampion}, versions[0].Aliases)
		return r.lost
	})
}

// However a rollout goes, there is each of its steps, once.
func TestEveryReplyOfARolloutLostOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		errors int
		want   []string
	}{
		"promoted":    {0, []string{"serving 1/ 0", "canary 1/2 0", "canary 1/2 500", "canary 1/2 5000", "watch 2/ 9500", "serving 2/ 0"}},
		"rolled back": {250, []string{"serving 1/ 0", "canary 1/2 0", "canary 1/2 500", "serving 1/ 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			like := quickRollouts(t)
			like.trainAndRegister(t, &replies{})
			everyReplyLost(t, 50, func(nth int) []string { return loseOfARollout(t, like, nth, c.errors, c.want) })
		})
	}
}

// trainAndRegister trains a first version.
func (w *world) trainAndRegister(t *testing.T, r *replies) {
	t.Helper()
	ctx := t.Context()
	var trained workflows.TrainResult
	w.play(t, func(*testsuite.TestWorkflowEnvironment) {}, workflows.Train,
		workflows.TrainInput{Pipeline: "iris", Budget: perennial.BudgetBootstrap, Trigger: "manual", Reason: "test", Actor: "me"}, &trained)
	require.Equal(t, perennial.OutcomeTrained, trained.Outcome)
	require.True(t, trained.InService)
	runs, _, err := w.tracking.SearchRuns(ctx, "iris", 100, "")
	require.NoError(t, err)
	kinds := map[string]int{}
	for _, run := range runs {
		kinds[run.Tag(perennial.TagKind)]++
		require.Equal(t, perennial.RunFinished, run.Status)
	}
	require.Equal(t, 1, kinds["train"], "after losing %v", r.lost)
	candidates, err := w.tracking.ChildRuns(ctx, trained.RunID)
	require.NoError(t, err)
	require.Len(t, candidates, 2, "after losing %v", r.lost)
	trials, err := w.ledger.Trials(ctx, trained.RunID)
	require.NoError(t, err)
	require.Len(t, trials, 2)
}

func loseOfARollout(t *testing.T, like *world, nth, challengerErrors int, want []string) []string {
	t.Helper()
	ctx := t.Context()
	w, r := lossy(t, like, "Rollout", nth, challengerErrors)
	first, err := w.tracking.GetVersion(ctx, "iris", "1")
	require.NoError(t, err)
	first.Version, first.Aliases = "", nil
	_, err = w.tracking.CreateVersion(ctx, first, "second")
	require.NoError(t, err)

	var rolled workflows.RolloutResult
	offer := func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() {
			env.UpdateWorkflow(workflows.UpdateOffer, "", &updateCallback{}, activities.Offer{Model: "iris", Version: "2", OpID: "op-1", Actor: "me"})
		}, 0)
	}
	w.play(t, offer, workflows.Rollout, workflows.RolloutInput{Model: "iris"}, &rolled)
	require.Equal(t, want, w.history(t), "after losing %v", r.lost)
	row, err := w.traffic.Get(ctx, "iris")
	require.NoError(t, err)
	champion, err := w.tracking.GetVersion(ctx, "iris", row.Champion)
	require.NoError(t, err)
	require.Equal(t, []string{perennial.AliasChampion}, champion.Aliases)
	versions, err := w.tracking.Versions(ctx, "iris")
	require.NoError(t, err)
	require.Len(t, versions, 2)

	// The reply to the offer itself was lost: it comes again when all is over.
	w.play(t, offer, workflows.Rollout, workflows.RolloutInput{Model: "iris"}, &rolled)
	require.Equal(t, want, w.history(t), "nothing is rolled out twice")
	_, err = w.traffic.Set(ctx, perennial.Traffic{Model: "iris", Mode: perennial.ModeServing, Champion: "1", Previous: "2", OpID: "by-hand", RolloutID: "another", Reason: "by hand", Actor: "me"}, row.Epoch)
	require.NoError(t, err)
	w.play(t, offer, workflows.Rollout, workflows.RolloutInput{Model: "iris"}, &rolled)
	require.Equal(t, perennial.OutcomeOffered, rolled.Outcome)
	require.Equal(t, append(slices.Clone(want), "serving 1/ 0"), w.history(t), "nor after another one")
	return r.lost
}

// history gives the states of iris' traffic, oldest first.
func (w *world) history(t *testing.T) []string {
	t.Helper()
	rows, err := w.traffic.History(t.Context(), "iris", 100)
	require.NoError(t, err)
	out := make([]string, len(rows))
	for i, row := range rows {
		require.EqualValues(t, len(rows)-i, row.Epoch)
		out[len(rows)-1-i] = fmt.Sprintf("%s %s/%s %d", row.Mode, row.Champion, row.Challenger, row.WeightBP)
	}
	return out
}

// updateCallback takes what an update gives.
type updateCallback struct{}

func (updateCallback) Accept()             {}
func (updateCallback) Reject(error)        {}
func (updateCallback) Complete(any, error) {}

package mlflow

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/perennial-ml/perennial"
)

// Tracker keeps runs and registered models on an MLflow server, in the words of the
// domain. It is safe for concurrent use.
//
// Everything is safe to repeat: what is created carries a one-time id as the tag
// perennial.op, by which it is looked for first; the rest is the same a second time.
//
// Its errors are those of Client: not_found for a missing experiment, run, model or
// version; precondition for a write to something deleted; conflict and invalid for a
// value that breaks a rule; unavailable where the server is away.
type Tracker struct {
	c     *Client
	blobs Blobs

	mu    sync.Mutex
	roots map[string]string // run → where its artifacts lie, which never changes
}

// Blobs gives the bytes of what is logged as an artifact (internal/blob).
type Blobs interface {
	Get(ctx context.Context, key string) ([]byte, error)
}

// NewTracker gives a tracker on a server. Without blobs it can't log artifacts.
func NewTracker(c *Client, blobs Blobs) *Tracker {
	return &Tracker{c: c, blobs: blobs, roots: map[string]string{}}
}

// URI gives the server's address, without a password.
func (t *Tracker) URI() string { return t.c.URI() }

// Embedded reports whether the server is in this process.
func (t *Tracker) Embedded() bool { return t.c.Embedded() }

// Close drops idle connections.
func (t *Tracker) Close() { t.c.Close() }

// Ping asks the server whether it is there, once.
func (t *Tracker) Ping(ctx context.Context) error {
	body, err := t.c.open(ctx, request{method: http.MethodGet, path: "/health"})
	if err != nil {
		return err
	}
	return body.Close()
}

// EnsureExperiment gives the experiment of a name and creates it where there is
// none. A deleted experiment keeps its name: precondition.
func (t *Tracker) EnsureExperiment(ctx context.Context, name string) (perennial.Experiment, error) {
	const op = "mlflow.EnsureExperiment"
	find := func() (Experiment, bool, error) { return t.experiment(ctx, name) }
	e, err := ensure(ctx, t.c, find, func() (Experiment, error) {
		id, err := create[ExperimentID](ctx, t.c, "experiments/create", CreateExperiment{Name: name, Tags: []Tag{{Key: perennial.TagPipeline, Value: name}}})
		if err != nil {
			return Experiment{}, err
		}
		got, err := get[ExperimentAnswer](ctx, t.c, "experiments/get", url.Values{"experiment_id": {id.ExperimentID}})
		return got.Experiment, err
	})
	if err != nil {
		return perennial.Experiment{}, perennial.Wrap(op, err)
	}
	if e.LifecycleStage != LifecycleActive {
		return perennial.Experiment{}, t.deleted(op, &e)
	}
	if tagValue(e.Tags, perennial.TagPipeline) == "" { // somebody else's experiment of this name
		value := name
		_, err = send[Void](ctx, t.c, http.MethodPost, "experiments/set-experiment-tag", ExperimentTag{ExperimentID: e.ExperimentID, Key: perennial.TagPipeline, Value: &value})
	}
	return perennial.Experiment{
		ID: e.ExperimentID, Name: e.Name, ArtifactLocation: e.ArtifactLocation, LifecycleStage: e.LifecycleStage,
		CreatedAt: int64(e.CreationTime), UpdatedAt: int64(e.LastUpdateTime), Tags: domainTags(e.Tags),
	}, perennial.Wrap(op, err)
}

func (t *Tracker) deleted(op string, e *Experiment) error {
	return perennial.Errorf(perennial.CodePrecondition, op, "the experiment %s is deleted%s", e.Name, t.where()).
		WithHint("Restore it with MLflow's client, MlflowClient().restore_experiment(%q), or give the pipeline another name.", e.ExperimentID)
}

// renamed tells of the experiment that was made for a pipeline and has another name
// now; nil where there is none.
func (t *Tracker) renamed(ctx context.Context, op, pipeline string) error {
	filter, err := equals("tags", perennial.TagPipeline, pipeline)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	one := Int(1)
	found, err := send[Experiments](ctx, t.c, http.MethodPost, "experiments/search", SearchExperiments{MaxResults: &one, Filter: filter})
	if err != nil || len(found.Experiments) == 0 {
		return perennial.Wrap(op, err)
	}
	e := found.Experiments[0]
	return perennial.Errorf(perennial.CodePrecondition, op, "the experiment %s was renamed to %s%s", pipeline, e.Name, t.where()).
		WithHint("Rename it back with MLflow's client, MlflowClient().rename_experiment(%q, %q); the next training makes a new one else.", e.ExperimentID, pipeline)
}

// where names a server on the network, for messages.
func (t *Tracker) where() string {
	if t.Embedded() {
		return ""
	}
	return " on the MLflow server " + t.URI()
}

// experiment finds an experiment by its name, deleted or not.
func (t *Tracker) experiment(ctx context.Context, name string) (Experiment, bool, error) {
	got, err := get[ExperimentAnswer](ctx, t.c, "experiments/get-by-name", url.Values{"experiment_name": {name}})
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return Experiment{}, false, nil
	}
	return got.Experiment, err == nil, err
}

// RunSpec says what run to create.
type RunSpec struct {
	ExperimentID string
	Name         string // "": the server invents one
	User         string
	StartedAt    int64           // ms
	Op           string          // one-time id; a second create with it gives the first run back; "": none
	Fresh        bool            // nobody has used Op yet: it isn't looked for before the first try
	ParentRunID  string          // "": none
	Tags         []perennial.Tag // a later value of a key wins; empty ones are left out
}

// RunName says what a run is: what was done with which model, and when (UTC), as
// "train iris 2026-05-04 12:30". A run is found by its Op, not by this.
func RunName(what, model string, at time.Time) string {
	return what + " " + model + " " + at.UTC().Format("2006-01-02 15:04")
}

func (s *RunSpec) request() CreateRun {
	tags := slices.Concat(s.Tags, []perennial.Tag{
		{Key: perennial.TagUser, Value: s.User}, {Key: perennial.TagParentRun, Value: s.ParentRunID}, {Key: perennial.TagOp, Value: s.Op},
	})
	return CreateRun{ExperimentID: s.ExperimentID, UserID: s.User, RunName: s.Name, StartTime: Int(s.StartedAt), Tags: wireTags(tags, MaxTag)}
}

// CreateRun creates a run in state RUNNING. User, parent and op are mirrored in
// their tags. With an Op that was used before it gives that run as it is now and
// changes nothing.
func (t *Tracker) CreateRun(ctx context.Context, spec RunSpec) (perennial.Run, error) {
	const op = "mlflow.CreateRun"
	begin := func() (Run, error) {
		made, err := create[RunAnswer](ctx, t.c, "runs/create", spec.request())
		return made.Run, err
	}
	var r Run
	var err error
	if spec.Op == "" {
		r, err = begin()
	} else {
		look := !spec.Fresh
		r, err = ensure(ctx, t.c, func() (found Run, ok bool, err error) {
			if look {
				found, ok, err = t.runByOp(ctx, spec.ExperimentID, spec.Op)
			}
			look = true
			return found, ok, err
		}, begin)
	}
	if err != nil {
		return perennial.Run{}, perennial.Wrap(op, err)
	}
	t.keepRoot(r.Info.RunID, r.Info.ArtifactURI)
	return domainRun(&r), nil
}

// runByOp finds the run that was created under an op, the first one if a lost
// request made a second.
func (t *Tracker) runByOp(ctx context.Context, experimentID, op string) (Run, bool, error) {
	filter, err := equals("tags", perennial.TagOp, op)
	if err != nil {
		return Run{}, false, err
	}
	one := Int(1)
	found, err := send[Runs](ctx, t.c, http.MethodPost, "runs/search", SearchRuns{
		ExperimentIDs: []string{experimentID}, Filter: filter, RunViewType: ViewActive, MaxResults: &one, OrderBy: []string{"attributes.start_time ASC"},
	})
	if err != nil || len(found.Runs) == 0 {
		return Run{}, false, err
	}
	return found.Runs[0], true, nil
}

// UpdateRun sets a run's state and, where endedAt (ms) isn't 0, its end.
func (t *Tracker) UpdateRun(ctx context.Context, id string, status perennial.RunStatus, endedAt int64) error {
	in := UpdateRun{RunRef: RunRef{RunID: id}, Status: string(status)}
	if endedAt != 0 {
		at := Int(endedAt)
		in.EndTime = &at
	}
	_, err := send[Void](ctx, t.c, http.MethodPost, "runs/update", in)
	return perennial.Wrap("mlflow.UpdateRun", err)
}

// GetRun gives a run, deleted or not, with its params, latest metrics, tags and
// inputs.
func (t *Tracker) GetRun(ctx context.Context, id string) (perennial.Run, error) {
	r, err := t.run(ctx, id)
	return domainRun(&r), perennial.Wrap("mlflow.GetRun", err)
}

func (t *Tracker) run(ctx context.Context, id string) (Run, error) {
	got, err := get[RunAnswer](ctx, t.c, "runs/get", url.Values{"run_id": {id}})
	if err == nil {
		t.keepRoot(id, got.Run.Info.ArtifactURI)
	}
	return got.Run, t.said("", err, "run %s", id)
}

// said adds the operation to an error, and tells of what is missing in our words.
func (t *Tracker) said(op string, err error, what string, args ...any) error {
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return perennial.Errorf(perennial.CodeNotFound, op, "%s doesn't exist%s", fmt.Sprintf(what, args...), t.where()).Because(err)
	}
	return perennial.Wrap(op, err)
}

// LogBatch stores metrics, params and tags of a run, in as few calls as MLflow's
// limits allow: params and tags come with the first ones. A param is write-once; a
// point (key, value, timestamp, step) is stored once, however often it comes; a tag
// takes the last value. Longer values are cut at MLflow's limits.
func (t *Tracker) LogBatch(ctx context.Context, runID string, metrics []perennial.Metric, params, tags []perennial.Tag) error {
	p, g := wireTags(params, MaxParam), wireTags(tags, MaxTag)
	for first := true; first || len(metrics)+len(p)+len(g) > 0; first = false {
		batch := LogBatch{RunRef: RunRef{RunID: runID}}
		batch.Params, p = cut(p, MaxBatchTags)
		batch.Tags, g = cut(g, MaxBatchTags)
		var points []perennial.Metric
		points, metrics = cut(metrics, MaxBatchMetrics-len(batch.Params)-len(batch.Tags))
		for _, m := range points {
			batch.Metrics = append(batch.Metrics, Metric{Key: m.Key, Value: Number(m.Value), Timestamp: Int(m.Timestamp), Step: Int(m.Step)})
		}
		if _, err := send[Void](ctx, t.c, http.MethodPost, "runs/log-batch", batch); err != nil {
			return perennial.Wrap("mlflow.LogBatch", err)
		}
	}
	return nil
}

func cut[T any](s []T, n int) (head, tail []T) {
	n = min(n, len(s))
	return s[:n], s[n:]
}

// keepRoot remembers where a run's artifacts lie.
func (t *Tracker) keepRoot(id, uri string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.roots) >= 1000 {
		clear(t.roots)
	}
	t.roots[id] = uri
}

// equals is a clause of a filter. A value with both kinds of quotes can't be looked
// for.
func equals(entity, key, value string) (string, error) {
	quote := "'"
	if strings.Contains(value, quote) {
		quote = `"`
	}
	if strings.Contains(value, quote) || strings.Contains(key, "`") {
		return "", perennial.Errorf(perennial.CodeInvalid, "mlflow.filter", "%q can't be looked for: it has both kinds of quotes", value)
	}
	if entity != "" {
		key = entity + ".`" + key + "`"
	}
	return key + " = " + quote + value + quote, nil
}

// LogInput notes that a run read a data set, with the columns that its schema reads.
func (t *Tracker) LogInput(ctx context.Context, runID string, in perennial.DatasetInput, schema *perennial.Schema) error {
	const op = "mlflow.LogInput"
	set, err := wireInput(in, schema)
	if err != nil {
		return perennial.Wrap(op, err)
	}
	_, err = send[Void](ctx, t.c, http.MethodPost, "runs/log-inputs", LogInputs{RunRef: RunRef{RunID: runID}, Datasets: []DatasetInput{set}})
	return perennial.Wrap(op, err)
}

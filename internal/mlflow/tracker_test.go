package mlflow_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

// world is a tracker on a server.
type world struct {
	*mlflow.Tracker

	blobs *blob.Store
	o     mlflow.Options
	name  string // of an experiment and a model that nobody has used
}

func newWorld(t *testing.T, o mlflow.Options) *world {
	t.Helper()
	blobs, err := blob.Open("file:" + t.TempDir())
	require.NoError(t, err)
	w := &world{blobs: blobs, o: o, name: "t-" + uuid.NewString()[:13]}
	w.connect(t)
	return w
}

func (w *world) connect(t *testing.T) {
	t.Helper()
	c, err := mlflow.NewClient(w.o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	w.Tracker = mlflow.NewTracker(c, w.blobs)
}

// each runs a test against every server there is.
func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		g := open()
		require.NoError(t, db.Migrate(t.Context(), g, tracking.Component, tracking.Migrations))
		w := newWorld(t, mlflow.Options{URI: mlflow.EmbeddedURI})
		w.o.Transport = tracking.NewServer(tracking.NewStore(g), w.blobs, tracking.Hooks{}, nil)
		w.connect(t)
		f(t, w)
	})
	if realServer != "" {
		t.Run("mlflow", func(t *testing.T) {
			t.Parallel()
			f(t, newWorld(t, mlflow.Options{URI: realServer}))
		})
	}
}

func (w *world) put(t *testing.T, path, content string) perennial.Artifact {
	t.Helper()
	key, err := w.blobs.Put(t.Context(), []byte(content))
	require.NoError(t, err)
	return perennial.Artifact{Path: path, Blob: key, Size: int64(len(content))}
}

func (w *world) run(t *testing.T, op string, tags ...perennial.Tag) perennial.Run {
	t.Helper()
	e, err := w.EnsureExperiment(t.Context(), w.name)
	require.NoError(t, err)
	r, err := w.CreateRun(t.Context(), mlflow.RunSpec{ExperimentID: e.ID, User: "me", StartedAt: 1700000000123, Op: w.name + " " + op, Tags: tags})
	require.NoError(t, err)
	return r
}

func kind(value string) perennial.Tag { return perennial.Tag{Key: perennial.TagKind, Value: value} }

func irisSchema() *perennial.Schema {
	return &perennial.Schema{Version: 1, Columns: []perennial.Column{
		{Name: "plant", Role: perennial.RoleID},
		{Name: "petal width", Role: perennial.RoleFeature, Type: perennial.TypeNumeric},
		{Name: "blüten", Role: perennial.RoleFeature, Type: perennial.TypeInteger, Nullable: true},
		{Name: "seen", Role: perennial.RoleFeature, Type: perennial.TypeDate, Format: "%Y-%m-%d"},
		{Name: "wild", Role: perennial.RoleFeature, Type: perennial.TypeBoolean},
		{Name: "notes", Role: perennial.RoleIgnore},
		{Name: "species", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"setosa", "versicolor"}},
	}}
}

func TestARunKeepsWhatIsLogged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r := w.run(t, "op-1", kind(perennial.KindTrain), perennial.Tag{Key: perennial.TagCommit, Value: ""})
		require.Equal(t, perennial.RunRunning, r.Status)
		again := w.run(t, "op-1")
		require.Equal(t, r.ID, again.ID, "an op is used once")

		params := []perennial.Tag{{Key: "c", Value: "1.5"}, {Key: "long", Value: strings.Repeat("é", 7000)}}
		metrics := []perennial.Metric{
			{Key: "loss", Value: 2, Timestamp: 5, Step: 0}, {Key: "loss", Value: 1, Timestamp: 5, Step: 1}, {Key: "odd", Value: math.NaN(), Timestamp: 5},
		}
		for range 2 { // a repeated batch is the same batch
			require.NoError(t, w.LogBatch(ctx, r.ID, metrics, params, []perennial.Tag{{Key: "note", Value: "a\nb"}, {Key: "none", Value: ""}}))
		}
		err := w.LogBatch(ctx, r.ID, nil, []perennial.Tag{{Key: "c", Value: "2"}}, nil)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), err)

		data := perennial.DataRef{Path: "data/raw/iris.csv", MD5: strings.Repeat("ab", 16), Size: 4606, Rows: 150, BaseMD5: strings.Repeat("ab", 16), Snapshot: strings.Repeat("cd", 32), Sides: strings.Repeat("ef", 32), Schema: strings.Repeat("01", 32)}
		for range 2 {
			require.NoError(t, w.LogInput(ctx, r.ID, perennial.DatasetInput{Context: "training", Data: data}, irisSchema()))
		}
		require.NoError(t, w.UpdateRun(ctx, r.ID, perennial.RunFinished, 1700000009000))

		got, err := w.GetRun(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, perennial.RunFinished, got.Status)
		require.EqualValues(t, 1700000000123, got.StartedAt)
		require.EqualValues(t, 1700000009000, got.EndedAt)
		require.Equal(t, "me", got.User)
		require.Equal(t, "1.5", got.Param("c"))
		require.Equal(t, strings.Repeat("é", 6000), got.Param("long"), "as much as MLflow keeps")
		require.Equal(t, "a\nb", got.Tag("note"))
		require.Empty(t, got.Tag("none"))
		loss, _ := got.Metric("loss")
		require.InDelta(t, 1, loss, 0)
		odd, _ := got.Metric("odd")
		require.True(t, math.IsNaN(odd))
		require.Equal(t, []perennial.DatasetInput{{Context: "training", Data: data}}, got.Inputs)
		require.Len(t, w.history(t, r.ID, "loss"), 2, "a point that comes twice is one")

		_, err = w.GetRun(ctx, strings.Repeat("0", 32))
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	})
}

// raw gives what a GET of MLflow's REST API answers.
func (w *world) raw(t *testing.T, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.o.URI+"/api/2.0/mlflow/"+path, nil)
	require.NoError(t, err)
	client := http.Client{Transport: w.o.Transport}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	return string(b)
}

// The tag tells all to those who read the run with MLflow's client, unless it is too
// long for MLflow.
func TestTheTagOfAnInputTellsPathAndHash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		md5, hash := strings.ReplaceAll(uuid.NewString(), "-", ""), strings.Repeat("ef", 32)
		for name, path := range map[string]string{"short": "data/raw/iris.csv", "long": strings.Repeat("data/", 30) + "iris.csv"} {
			r := w.run(t, "op "+name)
			data := perennial.DataRef{Path: path, MD5: md5, BaseMD5: md5, Size: 4606, Rows: 150, Snapshot: hash, Sides: hash, Schema: hash}
			require.NoError(t, w.LogInput(t.Context(), r.ID, perennial.DatasetInput{Context: "training", Data: data}, irisSchema()))
			got, err := w.GetRun(t.Context(), r.ID)
			require.NoError(t, err)
			require.Equal(t, []perennial.DatasetInput{{Context: "training", Data: data}}, got.Inputs)

			var answer mlflow.RunAnswer
			require.NoError(t, json.Unmarshal([]byte(w.raw(t, "runs/get?run_id="+r.ID)), &answer))
			set := answer.Run.Inputs.DatasetInputs[0]
			require.Equal(t, []string{path, md5}, []string{set.Dataset.Name, set.Dataset.Digest})
			var tagged perennial.DataRef
			i := slices.IndexFunc(set.Tags, func(tag mlflow.Tag) bool { return tag.Key == "perennial.data" })
			require.NoError(t, json.Unmarshal([]byte(set.Tags[i].Value), &tagged))
			if name == "long" {
				data.Path = ""
			}
			require.Equal(t, data, tagged)
		}
	})
}

// Another split of the same data is another input, though MLflow keeps the data set
// once.
func TestEachRunHasItsOwnSidesOfTheSameData(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		md5 := strings.ReplaceAll(uuid.NewString(), "-", "")
		for _, sides := range []string{"aa", "bb"} {
			r := w.run(t, "op "+sides)
			data := perennial.DataRef{Path: "iris.csv", MD5: md5, Sides: sides}
			require.NoError(t, w.LogInput(t.Context(), r.ID, perennial.DatasetInput{Context: "training", Data: data}, irisSchema()))
			got, err := w.GetRun(t.Context(), r.ID)
			require.NoError(t, err)
			require.Len(t, got.Inputs, 1)
			require.Equal(t, sides, got.Inputs[0].Data.Sides)
		}
	})
}

func TestALargeBatchIsSplit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := w.run(t, "op")
		var metrics []perennial.Metric
		for i := range 2500 {
			metrics = append(metrics, perennial.Metric{Key: "loss", Value: float64(i), Timestamp: 5, Step: int64(i)})
		}
		var params, tags []perennial.Tag
		for i := range 150 {
			params = append(params, perennial.Tag{Key: fmt.Sprintf("p%03d", i), Value: "1"})
			tags = append(tags, perennial.Tag{Key: fmt.Sprintf("t%03d", i), Value: "1"})
		}
		require.NoError(t, w.LogBatch(t.Context(), r.ID, metrics, params, tags))
		got, err := w.GetRun(t.Context(), r.ID)
		require.NoError(t, err)
		require.Len(t, got.Params, 150)
		require.Equal(t, "1", got.Tag("t149"))
		require.Len(t, w.history(t, r.ID, "loss"), 2500)
	})
}

func TestRunsAreListedWithTheirCandidates(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var parents []perennial.Run
		for i := range 3 {
			parent := w.run(t, fmt.Sprint("train ", i), kind(perennial.KindTrain))
			parents = append(parents, parent)
			for k := range 3 {
				child, err := w.CreateRun(ctx, mlflow.RunSpec{
					ExperimentID: parent.ExperimentID, StartedAt: parent.StartedAt + int64(k), Op: fmt.Sprint(parent.ID, " trial ", k), Fresh: true, ParentRunID: parent.ID,
					Tags: []perennial.Tag{kind(perennial.KindTrial)},
				})
				require.NoError(t, err)
				require.Equal(t, parent.ID, child.Tag(perennial.TagParentRun))
				if k == 1 {
					require.NoError(t, w.LogBatch(ctx, child.ID, nil, nil, []perennial.Tag{kind(perennial.KindCandidate)}))
				}
				if i > 0 {
					require.NoError(t, w.UpdateRun(ctx, child.ID, perennial.RunFinished, 1700000001000))
				}
			}
		}
		page, next, err := w.SearchRuns(ctx, w.name, 2, "")
		require.NoError(t, err)
		require.Len(t, page, 2, "children have no place of their own")
		require.NotEmpty(t, next)
		rest, next, err := w.SearchRuns(ctx, w.name, 2, next)
		require.NoError(t, err)
		require.Len(t, rest, 1)
		require.Empty(t, next)

		candidates, err := w.Candidates(ctx, append(page, rest...)...)
		require.NoError(t, err)
		require.Len(t, candidates, 3)
		for _, p := range parents {
			require.Len(t, candidates[p.ID], 1)
			one, err := w.Candidates(ctx, p)
			require.NoError(t, err)
			require.Equal(t, candidates[p.ID], one[p.ID])
		}
		children, err := w.ChildRuns(ctx, parents[0].ID)
		require.NoError(t, err)
		require.Len(t, children, 3)

		running, err := w.Running(ctx)
		require.NoError(t, err)
		mine := 0
		for _, r := range running {
			if r.ExperimentID == parents[0].ExperimentID {
				mine++
			}
		}
		require.Equal(t, 6, mine, "three trainings and one's trials")

		none, _, err := w.SearchRuns(ctx, "no-such-"+w.name, 2, "")
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

func TestArtifactsOfARunAndOfItsModel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		r := w.run(t, "op")
		require.NoError(t, w.LogArtifact(ctx, r.ID, w.put(t, "evaluation/größe 1.json", `{"a":1}`)))
		require.NoError(t, w.LogArtifact(ctx, r.ID, w.put(t, "card.md", "# old")))
		require.NoError(t, w.LogArtifact(ctx, r.ID, w.put(t, "card.md", "# new")))
		require.NoError(t, w.LogArtifact(ctx, r.ID, w.put(t, "empty", "")))
		for _, path := range []string{"../x", "/x", "a//b", "", ".", "a/../b", `a\b`} {
			err := w.LogArtifact(ctx, r.ID, w.put(t, path, "x"))
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), path)
		}
		spec := mlflow.ModelSpec{
			RunID: r.ID, Task: perennial.Classification, Algorithm: "logistic_regression", Schema: irisSchema(), SHA256: strings.Repeat("5a", 32),
			Params: []perennial.Tag{{Key: "c", Value: "1"}}, File: "model.perennial", CreatedAt: 1700000000123, Build: "v1",
			Files: []perennial.Artifact{w.put(t, "model.perennial", "the model"), w.put(t, "input_example.json", "{}")},
		}
		id, err := w.LogModel(ctx, spec)
		require.NoError(t, err)
		again, err := w.LogModel(ctx, spec)
		require.NoError(t, err)
		require.Equal(t, id, again)

		files, err := w.Artifacts(ctx, r.ID)
		require.NoError(t, err)
		sizes := map[string]int64{}
		for _, f := range files {
			sizes[f.Path] = f.Size
		}
		require.Contains(t, sizes, "model/MLmodel")
		delete(sizes, "model/MLmodel")
		require.Equal(t, map[string]int64{"card.md": 5, "empty": 0, "evaluation/größe 1.json": 7, "model/model.perennial": 9, "model/input_example.json": 2}, sizes)
		for path, want := range map[string]string{"card.md": "# new", "empty": "", "evaluation/größe 1.json": `{"a":1}`, "model/model.perennial": "the model"} {
			b, err := w.ReadArtifact(ctx, r.ID, path)
			require.NoError(t, err, path)
			require.Equal(t, want, string(b), path)
		}
		for _, path := range []string{"nope", "model/nope", "other/model.perennial", "../x"} {
			_, err := w.ReadArtifact(ctx, r.ID, path)
			require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err), path)
		}
		requireMLmodel(t, w, r.ID, id)
	})
}

func requireMLmodel(t *testing.T, w *world, runID, id string) {
	t.Helper()
	b, err := w.ReadArtifact(t.Context(), runID, "model/MLmodel")
	require.NoError(t, err)
	var m struct {
		Flavors   map[string]map[string]string `yaml:"flavors"`
		UUID      string                       `yaml:"model_uuid"`
		ID        string                       `yaml:"model_id"`
		RunID     string                       `yaml:"run_id"`
		Created   string                       `yaml:"utc_time_created"`
		Signature struct{ Inputs, Outputs string }
	}
	require.NoError(t, yaml.Unmarshal(b, &m))
	require.Equal(t, "model.perennial", m.Flavors["perennial"]["model_file"])
	require.Equal(t, id, m.UUID)
	require.Equal(t, id, m.ID)
	require.Equal(t, runID, m.RunID)
	require.Equal(t, "2023-11-14 22:13:20.123000", m.Created)
	require.JSONEq(t, `[{"type":"double","name":"petal width","required":true},{"type":"long","name":"blüten","required":false},
		{"type":"string","name":"seen","required":true},{"type":"boolean","name":"wild","required":true}]`, m.Signature.Inputs)
	require.JSONEq(t, `[{"type":"string","name":"species","required":true}]`, m.Signature.Outputs)
}

package control_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/blob"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/serve"
	"github.com/perennial-ml/perennial/models"
)

// lossyImports loses a reply of the registry or of the artifact store.
type lossyImports struct {
	*mlflow.Tracker

	l     *lossy
	blobs *blob.Store
}

func (s lossyImports) EnsureExperiment(ctx context.Context, name string) (perennial.Experiment, error) {
	e, err := s.Tracker.EnsureExperiment(ctx, name)
	return e, s.l.reply(err)
}

func (s lossyImports) CreateRun(ctx context.Context, spec mlflow.RunSpec) (perennial.Run, error) {
	run, err := s.Tracker.CreateRun(ctx, spec)
	return run, s.l.reply(err)
}

func (s lossyImports) LogBatch(ctx context.Context, runID string, metrics []perennial.Metric, params, tags []perennial.Tag) error {
	return s.l.reply(s.Tracker.LogBatch(ctx, runID, metrics, params, tags))
}

func (s lossyImports) LogArtifact(ctx context.Context, runID string, a perennial.Artifact) error {
	return s.l.reply(s.Tracker.LogArtifact(ctx, runID, a))
}

func (s lossyImports) LogModel(ctx context.Context, m mlflow.ModelSpec) (string, error) {
	id, err := s.Tracker.LogModel(ctx, m)
	return id, s.l.reply(err)
}

func (s lossyImports) UpdateRun(ctx context.Context, id string, status perennial.RunStatus, endedAt int64) error {
	return s.l.reply(s.Tracker.UpdateRun(ctx, id, status, endedAt))
}

func (s lossyImports) EnsureModel(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	m, err := s.Tracker.EnsureModel(ctx, name)
	return m, s.l.reply(err)
}

func (s lossyImports) CreateVersion(ctx context.Context, v perennial.ModelVersion, op string) (perennial.ModelVersion, error) {
	v, err := s.Tracker.CreateVersion(ctx, v, op)
	return v, s.l.reply(err)
}

func (s lossyImports) Versions(ctx context.Context, model string) ([]perennial.ModelVersion, error) {
	v, err := s.Tracker.Versions(ctx, model)
	return v, s.l.reply(err)
}

func (s lossyImports) Put(ctx context.Context, b []byte) (string, error) {
	key, err := s.blobs.Put(ctx, b)
	return key, s.l.reply(err)
}

// customs is a Control that imports on real tables.
type customs struct {
	*control.Control

	l     *lossy
	store *mlflow.Tracker
	blobs *blob.Store
	audit *desk
}

func atCustoms(t *testing.T, nth int) *customs {
	t.Helper()
	g := stores(t)
	blobs, err := blob.Open("file:" + t.TempDir())
	require.NoError(t, err)
	traffic := serve.NewTrafficStore(g)
	_, audit := atDesk(t)
	w := &customs{l: &lossy{Traffic: traffic, nth: nth}, store: trackerWith(t, g, blobs), blobs: blobs, audit: audit}
	in := lossyImports{w.store, w.l, blobs}
	w.Control = control.New(control.Options{
		Imports: in, Files: in, Traffic: w.l, Rollouts: activities.Rollouts{Steps: &activities.Activities{Blobs: blobs, Traffic: traffic, Tracker: w.store, Now: func() time.Time { return now }}}, Audit: audit, Build: "v1", Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	return w
}

// lightGBM is a request with one of the reference models of package imported.
func lightGBM(t *testing.T) client.ImportRequest {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "..", "models", "imported", "testdata", "lightgbm_regression.txt"))
	require.NoError(t, err)
	return client.ImportRequest{Name: "prices.txt", File: file, Reason: "from the old system", Schema: `version: 1
columns:
  width: {type: numeric, nullable: true}
  height_of_it: {type: numeric, nullable: true}
  count: {type: numeric}
  y: {role: target, type: numeric}
`}
}

func TestAnImportIsAVersionWithItsLineage(t *testing.T) {
	t.Parallel()
	w, req := atCustoms(t, 0), lightGBM(t)
	ctx := as(t, perennial.AccessTrainer)
	out, err := w.Import(ctx, "prices", req)
	require.NoError(t, err)
	require.Equal(t, "1", out.Version)
	require.True(t, out.Created)
	require.False(t, out.InService)
	require.Equal(t, []string{"width", "height_of_it", "count"}, out.Features)
	require.Equal(t, 4, out.Imported.Trees)

	v, err := w.store.GetVersion(ctx, "prices", "1")
	require.NoError(t, err)
	require.Equal(t, &out.Imported, v.Lineage.Imported)
	require.Equal(t, "lightgbm", v.Lineage.Algorithm)
	require.Equal(t, "v1", v.Lineage.Build)
	require.NotEmpty(t, v.Lineage.SchemaSHA256)
	file, err := w.blobs.Get(ctx, "sha256:"+v.Lineage.ModelSHA256)
	require.NoError(t, err)
	m, err := models.Decode(file)
	require.NoError(t, err)
	require.Equal(t, out.Imported.SHA256, m.Provenance().SourceSHA256)

	run, err := w.store.GetRun(ctx, out.RunID)
	require.NoError(t, err)
	require.Equal(t, perennial.RunFinished, run.Status)
	require.Equal(t, "import", run.Tag(perennial.TagKind))
	require.Equal(t, "import prices "+time.UnixMilli(run.StartedAt).UTC().Format("2006-01-02 15:04"), run.Name)
	require.Equal(t, "1", run.Tag(perennial.TagVersion))
	require.Equal(t, "4", run.Param("trees"))
	artifacts, err := w.store.Artifacts(ctx, out.RunID)
	require.NoError(t, err)
	kept := map[string]string{}
	for _, a := range artifacts {
		if !a.Folder {
			b, err := w.store.ReadArtifact(ctx, out.RunID, a.Path)
			require.NoError(t, err)
			kept[a.Path] = string(b)
		}
	}
	require.Contains(t, kept["model/MLmodel"], "model_file: model.perennial")
	delete(kept, "model/MLmodel")
	require.Equal(t, map[string]string{"model/model.perennial": string(file), "source/prices.txt": string(req.File), "source/schema.yaml": req.Schema}, kept)

	require.Len(t, w.audit.audit, 1)
	e := w.audit.audit[0]
	require.Equal(t, []string{"ann", "model.import", "prices", "from the old system", "req-1"}, []string{e.Actor, e.Action, e.Target, e.Reason, e.RequestID})
	var after map[string]string
	require.NoError(t, json.Unmarshal(e.After, &after))
	require.Equal(t, out.Imported.SHA256, after["source_sha256"])

	again, err := w.Import(ctx, "prices", req)
	require.NoError(t, err)
	out.Created = false
	require.Equal(t, out, again)
	require.Len(t, w.audit.audit, 1, "nothing was changed")

	req.Schema += "  note: {role: ignore}\n"
	other, err := w.Import(ctx, "prices", req)
	require.NoError(t, err)
	require.Equal(t, "2", other.Version, "another schema is another version")
}

func TestAnImportTellsThatItsRolloutWouldBeRefused(t *testing.T) {
	t.Parallel()
	w, req := atCustoms(t, 0), lightGBM(t)
	ctx := as(t, perennial.AccessTrainer)
	out, err := w.Import(ctx, "prices", req)
	require.NoError(t, err)
	require.Empty(t, out.Incompatible, "nothing is in service")
	_, err = w.l.Traffic.Set(ctx, perennial.Traffic{Model: "prices", Mode: perennial.ModeServing, Champion: "1", OpID: "x"}, 0)
	require.NoError(t, err)
	other := req
	other.Schema = strings.Replace(req.Schema, "width: {type: numeric, nullable: true}", "width: {type: numeric}", 1)
	refused, err := w.Import(ctx, "prices", other)
	require.NoError(t, err)
	require.True(t, refused.Created)
	require.Equal(t, "Version 2 would refuse what the champion accepts: /features/width: width can't be null any more.", refused.Incompatible)
	other.Schema = req.Schema + "  note: {role: ignore}\n"
	fine, err := w.Import(ctx, "prices", other)
	require.NoError(t, err)
	require.Empty(t, fine.Incompatible)
}

func TestImportsThatAreRefusedLeaveNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		role  perennial.AccessRole
		model string
		edit  func(r *client.ImportRequest)
		code  perennial.Code
	}{
		"role":   {perennial.AccessPredictor, "prices", func(*client.ImportRequest) {}, perennial.CodeForbidden},
		"name":   {perennial.AccessTrainer, "Prices", func(*client.ImportRequest) {}, perennial.CodeInvalid},
		"pickle": {perennial.AccessTrainer, "prices", func(r *client.ImportRequest) { r.File = []byte("\x80\x05\x95") }, perennial.CodeInvalid},
		"half":   {perennial.AccessTrainer, "prices", func(r *client.ImportRequest) { r.File = r.File[:900] }, perennial.CodeMalformed},
		"schema": {perennial.AccessTrainer, "prices", func(r *client.ImportRequest) { r.Schema = "version: 2" }, perennial.CodeInvalid},
		"fit": {perennial.AccessTrainer, "prices", func(r *client.ImportRequest) {
			r.Schema = "version: 1\ncolumns:\n  a: {type: numeric}\n  y: {role: target, type: numeric}\n"
		}, perennial.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, req := atCustoms(t, 0), lightGBM(t)
			c.edit(&req)
			_, err := w.Import(as(t, c.role), c.model, req)
			require.Equal(t, c.code, perennial.CodeOf(err), "%v", err)
			models, err := w.store.Models(t.Context())
			require.NoError(t, err)
			require.Empty(t, models)
			require.Empty(t, w.audit.audit)
		})
	}
}

// TestAnImportIsOneVersionWhateverReplyIsLost loses the reply of each call in
// turn; whoever gets an error asks again.
func TestAnImportIsOneVersionWhateverReplyIsLost(t *testing.T) {
	t.Parallel()
	for nth := 1; ; nth++ {
		w, ctx := atCustoms(t, nth), as(t, perennial.AccessTrainer)
		out, err := w.Import(ctx, "prices", lightGBM(t))
		lost := w.l.calls >= nth
		if err != nil {
			require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
			out, err = w.Import(ctx, "prices", lightGBM(t))
			require.NoError(t, err)
		}
		require.Equal(t, "1", out.Version)
		versions, err := w.store.Versions(ctx, "prices")
		require.NoError(t, err)
		require.Len(t, versions, 1, fmt.Sprint("losing reply ", nth))
		run, err := w.store.GetRun(ctx, out.RunID)
		require.NoError(t, err)
		require.Equal(t, perennial.RunFinished, run.Status)
		require.Len(t, w.audit.audit, 1)
		if !lost {
			require.Greater(t, nth, 10)
			return
		}
	}
}

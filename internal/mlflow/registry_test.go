package mlflow_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

func (w *world) version(t *testing.T, op string) perennial.ModelVersion {
	t.Helper()
	r := w.run(t, op)
	spec := mlflow.ModelSpec{RunID: r.ID, Schema: irisSchema(), SHA256: strings.Repeat("5a", 32), File: "model.perennial", Files: []perennial.Artifact{w.put(t, "model.perennial", op)}}
	_, err := w.LogModel(t.Context(), spec)
	require.NoError(t, err)
	_, err = w.EnsureModel(t.Context(), w.name)
	require.NoError(t, err)
	v, err := w.CreateVersion(t.Context(), perennial.ModelVersion{
		Model: w.name, RunID: r.ID, Tags: []perennial.Tag{{Key: perennial.TagDecision, Value: "d1"}},
		Lineage: perennial.Lineage{RunID: r.ID, ModelSHA256: spec.SHA256, Seed: 42, Data: perennial.DataRef{Path: "iris.csv", MD5: "abc", Rows: 150}, ProjectDirty: true},
	}, op)
	require.NoError(t, err)
	return v
}

func TestVersionsAndAliases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		_, err := w.Versions(ctx, w.name)
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
		first, second := w.version(t, "op-1"), w.version(t, "op-2")
		require.Equal(t, "1", first.Version)
		require.Equal(t, "2", second.Version)
		require.Equal(t, "1", w.version(t, "op-1").Version, "an op is used once")
		require.True(t, strings.HasPrefix(first.Source, "models:/m-"), first.Source)

		require.NoError(t, w.SetAlias(ctx, w.name, perennial.AliasChampion, "1"))
		require.NoError(t, w.SetAlias(ctx, w.name, perennial.AliasChampion, "2"))
		require.NoError(t, w.SetAlias(ctx, w.name, "old", "1"))
		got, err := w.GetVersion(ctx, w.name, "2")
		require.NoError(t, err)
		require.Equal(t, []string{perennial.AliasChampion}, got.Aliases)
		require.Equal(t, second.Lineage, got.Lineage)
		require.Equal(t, 150, got.Lineage.Data.Rows)
		require.True(t, got.Lineage.ProjectDirty)
		require.Equal(t, "READY", got.Status)
		for _, tag := range got.Tags {
			require.NotEqual(t, mlflow.TagLineage, tag.Key, "the lineage is shown once")
		}
		require.Contains(t, got.Tags, perennial.Tag{Key: perennial.TagDataMD5, Value: "abc"})
		all, err := w.Versions(ctx, w.name)
		require.NoError(t, err)
		require.Len(t, all, 2)
		require.Equal(t, got, all[0], "newest first")
		require.Equal(t, []string{"old"}, all[1].Aliases)

		require.NoError(t, w.DeleteAlias(ctx, w.name, "old"))
		require.NoError(t, w.DeleteAlias(ctx, w.name, "old"))
		models, err := w.Models(ctx)
		require.NoError(t, err)
		i := indexOf(models, w.name)
		require.GreaterOrEqual(t, i, 0)
		require.Equal(t, map[string]string{perennial.AliasChampion: "2"}, models[i].Aliases)

		for version, code := range map[string]perennial.Code{"9": perennial.CodeNotFound, "x": perennial.CodeInvalid, "01": perennial.CodeInvalid} {
			_, err = w.GetVersion(ctx, w.name, version)
			require.Equal(t, code, perennial.CodeOf(err), version)
		}
		err = w.SetAlias(ctx, w.name, perennial.AliasChampion, "9")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err), err)
	})
}

func indexOf(models []perennial.RegisteredModel, name string) int {
	for i := range models {
		if models[i].Name == name {
			return i
		}
	}
	return -1
}

func TestLineageThroughTheServer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		md5 := strings.ReplaceAll(uuid.NewString(), "-", "")
		first, second := w.version(t, "op-1"), w.version(t, "op-2")
		require.NoError(t, w.LogBatch(ctx, first.RunID, nil, nil, []perennial.Tag{{Key: perennial.TagDataMD5, Value: md5}}))
		require.NoError(t, w.LogInput(ctx, first.RunID, perennial.DatasetInput{Context: "training", Data: perennial.DataRef{Path: "a.csv", MD5: md5}}, nil))
		require.NoError(t, w.LogInput(ctx, second.RunID, perennial.DatasetInput{Context: "training", Data: perennial.DataRef{Path: "b.csv", MD5: md5}}, nil))
		runs, err := w.RunsByData(ctx, md5)
		require.NoError(t, err)
		require.Len(t, runs, 2, "by tag and by input, each once")
		versions, err := w.VersionsOfRuns(ctx, []string{first.RunID, second.RunID, strings.Repeat("0", 32)})
		require.NoError(t, err)
		require.Len(t, versions, 2)
		require.Equal(t, "2", versions[0].Version, "newest first")
		none, err := w.VersionsOfRuns(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, none)

		lineage := perennial.Lineage{RunID: first.RunID, ModelSHA256: strings.Repeat("7b", 32), Algorithm: "lightgbm"}
		for range 2 {
			require.NoError(t, w.SetLineage(ctx, w.name, "1", lineage))
		}
		got, err := w.GetVersion(ctx, w.name, "1")
		require.NoError(t, err)
		require.Equal(t, lineage, got.Lineage)

		file, err := w.OpenVersion(ctx, w.name, "1", "model.perennial")
		require.NoError(t, err)
		b, err := io.ReadAll(file)
		require.NoError(t, errors.Join(err, file.Close()))
		require.Equal(t, "op-1", string(b))
		for _, path := range []string{"nope", "../x"} {
			_, err = w.OpenVersion(ctx, w.name, "1", path)
			require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err), path)
		}
		ofRun, err := w.CreateVersion(ctx, perennial.ModelVersion{Model: w.name, RunID: first.RunID, Source: "runs:/" + first.RunID + "/model", Lineage: perennial.Lineage{ModelSHA256: "other"}}, "by its run")
		require.NoError(t, err)
		file, err = w.OpenVersion(ctx, w.name, ofRun.Version, "model.perennial")
		require.NoError(t, err)
		b, err = io.ReadAll(file)
		require.NoError(t, errors.Join(err, file.Close()))
		require.Equal(t, "op-1", string(b))
		nope, err := w.CreateVersion(ctx, perennial.ModelVersion{Model: w.name, RunID: first.RunID, Source: "runs:/" + first.RunID + "/nope", Lineage: perennial.Lineage{ModelSHA256: "other"}}, "of nothing")
		require.NoError(t, err, "MLflow doesn't look whether there is something")
		for _, version := range []string{ofRun.Version, nope.Version} {
			_, err = w.OpenVersion(ctx, w.name, version, "nope")
			require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err), err)
		}
		_, err = w.GetModel(ctx, "no-"+w.name)
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	})
}

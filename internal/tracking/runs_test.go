package tracking_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestCreateRun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		r := s.run(t, tracking.RunSpec{
			User: "ann", StartedAt: 5, Op: "op-1", ParentRunID: "parent",
			Tags: []perennial.Tag{{Key: "a", Value: "1"}, {Key: "a", Value: "2"}, {Key: "Ünï", Value: ""}},
		})
		require.Regexp(t, `^[0-9a-f]{32}$`, r.ID)
		require.Regexp(t, `^[a-z]+-[a-z]+-\d{1,3}$`, r.Name)
		require.Equal(t, perennial.RunRunning, r.Status)
		require.Equal(t, "mlflow-artifacts:/1/"+r.ID+"/artifacts", r.ArtifactURI)
		require.Equal(t, "active", r.LifecycleStage)
		require.Equal(t, int64(5), r.StartedAt)
		require.Zero(t, r.EndedAt)
		for key, want := range map[string]string{
			"a": "2", perennial.TagRunName: r.Name, perennial.TagUser: "ann", perennial.TagOp: "op-1", perennial.TagParentRun: "parent",
		} {
			require.Equal(t, want, r.Tag(key), key)
		}
		stored, err := s.other.GetRun(t.Context(), r.ID)
		require.NoError(t, err)
		require.Equal(t, r, stored)

		again := s.run(t, tracking.RunSpec{Name: "another", Op: "op-1"})
		require.Equal(t, r, again, "the same op gives the first run")
		_, err = s.CreateRun(t.Context(), tracking.RunSpec{ExperimentID: "0", Op: "op-1"})
		requireCode(t, perennial.CodeConflict, err)

		require.Equal(t, "given", s.run(t, tracking.RunSpec{Name: "given"}).Name)
		require.Equal(t, "tagged", s.run(t, tracking.RunSpec{Tags: []perennial.Tag{{Key: perennial.TagRunName, Value: "tagged"}}}).Name)
		_, err = s.GetRun(t.Context(), "nope")
		requireCode(t, perennial.CodeNotFound, err)
	})
}

func TestOneOpOneRun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		e, err := s.EnsureExperiment(t.Context(), "iris", 1)
		require.NoError(t, err)
		const n = 16
		ids := make([]string, n)
		errs := make([]error, n)
		s.together(n, func(i int, st *tracking.Store) {
			r, err := st.CreateRun(t.Context(), tracking.RunSpec{ExperimentID: e.ID, Op: "train:1"})
			ids[i], errs[i] = r.ID, err
		})
		for i := range n {
			require.NoError(t, errs[i])
			require.Equal(t, ids[0], ids[i])
		}
		runs, _, err := s.SearchRuns(t.Context(), "iris", 0, "")
		require.NoError(t, err)
		require.Len(t, runs, 1)
	})
}

func TestUpdateRun(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx, r := t.Context(), s.run(t, tracking.RunSpec{})
		for range 2 {
			require.NoError(t, s.UpdateRun(ctx, r.ID, perennial.RunFinished, 77))
		}
		got, err := s.GetRun(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, perennial.RunFinished, got.Status)
		require.Equal(t, int64(77), got.EndedAt)
		require.NoError(t, s.UpdateRun(ctx, r.ID, perennial.RunKilled, 0))
		got, err = s.GetRun(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, perennial.RunKilled, got.Status)
		require.Equal(t, int64(77), got.EndedAt)

		requireCode(t, perennial.CodeInvalid, s.UpdateRun(ctx, r.ID, "DONE", 1))
		requireCode(t, perennial.CodeNotFound, s.UpdateRun(ctx, "nope", perennial.RunFailed, 1))
	})
}

func TestDeletedRunTakesNoWrites(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx, r := t.Context(), s.run(t, tracking.RunSpec{})
		s.deleteRun(t, r.ID)
		requireCode(t, perennial.CodePrecondition, s.UpdateRun(ctx, r.ID, perennial.RunFailed, 1))
		requireCode(t, perennial.CodePrecondition, s.LogBatch(ctx, r.ID, nil, nil, nil))
		requireCode(t, perennial.CodePrecondition, s.LogInput(ctx, r.ID, perennial.DatasetInput{}))
		requireCode(t, perennial.CodePrecondition, s.LogArtifact(ctx, r.ID, perennial.Artifact{Path: "a", Blob: "sha256:0"}))
		got, err := s.GetRun(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, "deleted", got.LifecycleStage)
		runs, _, err := s.SearchRuns(ctx, "iris", 0, "")
		require.NoError(t, err)
		require.Empty(t, runs)
	})
}

func TestParamsAreWriteOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx, r := t.Context(), s.run(t, tracking.RunSpec{})
		a, b := perennial.Tag{Key: "a", Value: "1"}, perennial.Tag{Key: "b", Value: "2"}
		require.NoError(t, s.LogBatch(ctx, r.ID, nil, []perennial.Tag{a}, nil))
		require.NoError(t, s.LogBatch(ctx, r.ID, nil, []perennial.Tag{b, a}, nil), "the same value again")
		metric := []perennial.Metric{{Key: "m", Value: 1}}
		err := s.LogBatch(ctx, r.ID, metric, []perennial.Tag{{Key: "c", Value: "3"}, {Key: "a", Value: "9"}}, []perennial.Tag{{Key: "t", Value: "x"}})
		requireCode(t, perennial.CodeConflict, err)
		require.ErrorContains(t, err, `a is "1"`)
		requireCode(t, perennial.CodeInvalid, s.LogBatch(ctx, r.ID, metric, []perennial.Tag{{Key: "d"}, {Key: "d"}}, nil))
		requireCode(t, perennial.CodeNotFound, s.LogBatch(ctx, "nope", metric, nil, nil))

		got, err := s.GetRun(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, []perennial.Tag{a, b}, got.Params, "a refused batch leaves nothing")
		require.Empty(t, got.Metrics)
		require.Empty(t, got.Tag("t"))
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx, r := t.Context(), s.run(t, tracking.RunSpec{})
		point := func(v float64, ts, step int64) perennial.Metric {
			return perennial.Metric{Key: "loss", Value: v, Timestamp: ts, Step: step}
		}
		first := []perennial.Metric{point(0.5, 10, 1), point(0.4, 10, 2), point(0.4, 10, 2), point(0.3, 11, 1)}
		for range 2 {
			require.NoError(t, s.LogBatch(ctx, r.ID, first, nil, nil), "identical points are stored once")
		}
		history, err := s.MetricHistory(ctx, r.ID, "loss")
		require.NoError(t, err)
		require.Equal(t, []perennial.Metric{point(0.5, 10, 1), point(0.3, 11, 1), point(0.4, 10, 2)}, history)

		latest := func() float64 {
			got, err := s.GetRun(ctx, r.ID)
			require.NoError(t, err)
			v, ok := got.Metric("loss")
			require.True(t, ok)
			return v
		}
		require.Equal(t, 0.4, latest())
		for _, c := range []struct {
			name string
			p    perennial.Metric
			want float64
		}{
			{"an older step changes nothing", point(9, 99, 1), 0.4},
			{"an older time changes nothing", point(9, 9, 2), 0.4},
			{"a smaller value changes nothing", point(0.1, 10, 2), 0.4},
			{"a greater value wins", point(0.6, 10, 2), 0.6},
			{"a later time wins", point(0.2, 11, 2), 0.2},
			{"a later step wins", point(-1, 0, 3), -1},
			{"minus infinity is the smallest number", point(math.Inf(-1), 0, 4), -math.MaxFloat64},
			{"infinity is the greatest number", point(math.Inf(1), 0, 5), math.MaxFloat64},
			{"minus zero is zero", point(math.Copysign(0, -1), 0, 6), 0},
		} {
			require.NoError(t, s.LogBatch(ctx, r.ID, []perennial.Metric{c.p}, nil, nil), c.name)
			require.Equal(t, c.want, latest(), c.name)
		}
		require.False(t, math.Signbit(latest()))
		require.NoError(t, s.LogBatch(ctx, r.ID, []perennial.Metric{point(math.NaN(), 0, 7), point(math.NaN(), 0, 7)}, nil, nil))
		require.True(t, math.IsNaN(latest()))

		none, err := s.MetricHistory(ctx, r.ID, "other")
		require.NoError(t, err)
		require.Empty(t, none)
		_, err = s.MetricHistory(ctx, "nope", "loss")
		requireCode(t, perennial.CodeNotFound, err)
	})
}

func TestABigBatch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx, r := t.Context(), s.run(t, tracking.RunSpec{})
		metrics := make([]perennial.Metric, 1000)
		for i := range metrics {
			metrics[i] = perennial.Metric{Key: "m", Value: float64(i), Step: int64(i)}
		}
		tags := []perennial.Tag{{Key: perennial.TagRunName, Value: "renamed"}, {Key: "long", Value: strings.Repeat("ü", 8000)}}
		require.NoError(t, s.LogBatch(ctx, r.ID, metrics, nil, tags))
		history, err := s.MetricHistory(ctx, r.ID, "m")
		require.NoError(t, err)
		require.Equal(t, metrics, history)
		got, err := s.GetRun(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, "renamed", got.Name)
		require.Equal(t, tags[1].Value, got.Tag("long"))
		require.Equal(t, []perennial.Metric{metrics[999]}, got.Metrics)
	})
}

func TestParallelBatchesKeepTheLatest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		r := s.run(t, tracking.RunSpec{})
		const n = 16
		errs := make([]error, n)
		s.together(n, func(i int, st *tracking.Store) {
			errs[i] = st.LogBatch(t.Context(), r.ID, []perennial.Metric{{Key: "m", Value: float64(i), Step: int64(i)}},
				[]perennial.Tag{{Key: "p", Value: "same"}}, []perennial.Tag{{Key: "t", Value: "x"}})
		})
		for _, err := range errs {
			require.NoError(t, err)
		}
		got, err := s.GetRun(t.Context(), r.ID)
		require.NoError(t, err)
		v, _ := got.Metric("m")
		require.Equal(t, float64(n-1), v)
	})
}

func TestInputsAndArtifacts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx, r := t.Context(), s.run(t, tracking.RunSpec{})
		in := perennial.DatasetInput{Context: "training", Data: perennial.DataRef{Path: "data/raw/iris.csv", MD5: "abc", Rows: 150, Sides: "s"}}
		for range 2 {
			require.NoError(t, s.LogInput(ctx, r.ID, in))
		}
		got, err := s.GetRun(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, []perennial.DatasetInput{in}, got.Inputs)

		files, err := s.Artifacts(ctx, r.ID)
		require.NoError(t, err)
		require.Empty(t, files)
		model := perennial.Artifact{Path: "model/model.bin", Blob: "sha256:2", Size: 7}
		require.NoError(t, s.LogArtifact(ctx, r.ID, perennial.Artifact{Path: "report ü.json", Blob: "sha256:1"}))
		require.NoError(t, s.LogArtifact(ctx, r.ID, perennial.Artifact{Path: model.Path, Blob: "sha256:0", Size: 1}))
		require.NoError(t, s.LogArtifact(ctx, r.ID, model), "the last one wins")
		files, err = s.Artifacts(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, []perennial.Artifact{model, {Path: "report ü.json", Blob: "sha256:1"}}, files)

		for _, path := range []string{"", ".", "..", "/etc/passwd", "a/../b", "a//b", "a/", `a\b`, "a\x00", "\xff"} {
			requireCode(t, perennial.CodeInvalid, s.LogArtifact(ctx, r.ID, perennial.Artifact{Path: path, Blob: "sha256:1"}))
		}
		requireCode(t, perennial.CodeInvalid, s.LogArtifact(ctx, r.ID, perennial.Artifact{Path: "a"}))
		requireCode(t, perennial.CodeInvalid, s.LogArtifact(ctx, r.ID, perennial.Artifact{Path: "a", Blob: "sha256:1", Folder: true}))
		_, err = s.Artifacts(ctx, "nope")
		requireCode(t, perennial.CodeNotFound, err)
	})
}

func TestSearchRunsPageByPage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx := t.Context()
		parent := s.run(t, tracking.RunSpec{StartedAt: 1})
		var children []string
		for i := range 7 {
			r := s.run(t, tracking.RunSpec{StartedAt: int64(2 + i/2), ParentRunID: parent.ID})
			children = append(children, r.ID)
		}
		other, err := s.EnsureExperiment(ctx, "other", 1)
		require.NoError(t, err)
		s.run(t, tracking.RunSpec{ExperimentID: other.ID, StartedAt: 9})

		all, next, err := s.SearchRuns(ctx, "iris", 0, "")
		require.NoError(t, err)
		require.Empty(t, next)
		require.Len(t, all, 8)
		require.Equal(t, parent.ID, all[7].ID)
		var paged []perennial.Run
		for token := ""; ; {
			page, next, err := s.SearchRuns(ctx, "iris", 3, token)
			require.NoError(t, err)
			paged = append(paged, page...)
			s.run(t, tracking.RunSpec{StartedAt: 100}) // must not shift the pages
			if token = next; token == "" {
				break
			}
		}
		require.Equal(t, all, paged)

		kids, err := s.ChildRuns(ctx, parent.ID)
		require.NoError(t, err)
		var ids []string
		for _, k := range kids {
			ids = append(ids, k.ID)
		}
		require.Equal(t, children, ids)
		s.deleteRun(t, children[0])
		kids, err = s.ChildRuns(ctx, parent.ID)
		require.NoError(t, err)
		require.Len(t, kids, 6)

		none, _, err := s.SearchRuns(ctx, "unknown", 5, "")
		require.NoError(t, err)
		require.Empty(t, none)
		for _, token := range []string{"x", "!!", "MTIz", "YWJjIGRlZg"} {
			_, _, err = s.SearchRuns(ctx, "iris", 5, token)
			requireCode(t, perennial.CodeInvalid, err)
		}
	})
}

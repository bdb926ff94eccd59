package pipeline_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// stores runs a conformance test against every database.
func stores(t *testing.T, f func(t *testing.T, open func() *pipeline.Store)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		require.NoError(t, db.Migrate(t.Context(), open(), pipeline.Component, pipeline.Migrations))
		f(t, func() *pipeline.Store { return pipeline.NewStore(open()) })
	})
}

func loaded(t *testing.T, more string) *pipeline.Spec {
	t.Helper()
	files := good()
	files["pipelines/iris.yaml"] += more
	spec, err := pipeline.Load(project(t, files), "pipelines/iris.yaml")
	require.NoError(t, err)
	return spec
}

func TestStoreAppliesOnceAndKeepsHistory(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, open func() *pipeline.Store) {
		ctx, s := t.Context(), open()
		first, second := loaded(t, ""), loaded(t, "tuning: {folds: 7}\n")

		_, err := s.Get(ctx, "iris")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
		list, err := s.List(ctx)
		require.NoError(t, err)
		require.Empty(t, list)

		apply := func(spec *pipeline.Spec, now int64, want bool) {
			changed, err := s.Apply(ctx, spec, now)
			require.NoError(t, err)
			require.Equal(t, want, changed)
		}
		apply(first, 1, true)
		apply(first, 2, false)
		got, err := open().Get(ctx, "iris")
		require.NoError(t, err)
		require.Equal(t, first, got)
		require.Equal(t, got.Revision, got.Hash(), "what is stored hashes to its revision")

		commented := *first
		commented.Source = "# why\n" + first.Source
		apply(&commented, 3, false)
		got, err = s.Get(ctx, "iris")
		require.NoError(t, err)
		require.Equal(t, &commented, got, "the text follows although nothing changed")

		apply(second, 4, true)
		apply(first, 5, true)
		list, err = s.List(ctx)
		require.NoError(t, err)
		require.Equal(t, []*pipeline.Spec{first}, list)
		for _, spec := range []*pipeline.Spec{first, second} {
			old, err := s.Revision(ctx, "iris", spec.Revision)
			require.NoError(t, err)
			want := *spec
			want.Source = ""
			require.Equal(t, &want, old)
		}
		_, err = s.Revision(ctx, "iris", "nope")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	})
}

func TestStoreDeletes(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, open func() *pipeline.Store) {
		ctx, s, spec := t.Context(), open(), loaded(t, "")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(s.Delete(ctx, "iris")))
		_, err := s.Apply(ctx, spec, 1)
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, "iris"))
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(s.Delete(ctx, "iris")))
		_, err = s.Get(ctx, "iris")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
		_, err = s.Revision(ctx, "iris", spec.Revision)
		require.NoError(t, err, "lineage still resolves")
		changed, err := s.Apply(ctx, spec, 2)
		require.NoError(t, err)
		require.True(t, changed, "applying brings it back")
	})
}

func TestStoreRefusesAWrongRevision(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, open func() *pipeline.Store) {
		spec := loaded(t, "")
		spec.Pipeline.Tuning.Folds = 9
		_, err := open().Apply(t.Context(), spec, 1)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	})
}

func TestOneOfManyConcurrentAppliesChanges(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, open func() *pipeline.Store) {
		spec := loaded(t, "")
		var group sync.WaitGroup
		var changes atomic.Int32
		errs := make([]error, 8)
		for i := range errs {
			s := open()
			group.Go(func() {
				changed, err := s.Apply(context.WithoutCancel(t.Context()), spec, int64(i))
				errs[i] = err
				if changed {
					changes.Add(1)
				}
			})
		}
		group.Wait()
		for _, err := range errs {
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, changes.Load())
	})
}

func TestRevisionSurvivesJSON(t *testing.T) {
	t.Parallel()
	base := loaded(t, "")
	rapid.Check(t, func(t *rapid.T) {
		spec := pipeline.Spec{Pipeline: *anyPipeline(t), Schema: base.Schema, Given: base.Given}
		require.Equal(t, spec.Hash(), throughJSON(t, spec).Hash())
	})
}

package tracking_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suite is one store on an empty database, and a second one that shares it, as
// another process would.
type suite struct {
	*tracking.Store
	other *tracking.Store
	db    *gorm.DB
}

// each runs a conformance test on every database.
func each(t *testing.T, f func(t *testing.T, s suite)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		a, b := open(), open()
		require.NoError(t, db.Migrate(t.Context(), a, tracking.Component, tracking.Migrations))
		f(t, suite{Store: tracking.NewStore(a), other: tracking.NewStore(b), db: a})
	})
}

// run creates an experiment and a run in it.
func (s suite) run(t *testing.T, spec tracking.RunSpec) perennial.Run {
	t.Helper()
	if spec.ExperimentID == "" {
		e, err := s.EnsureExperiment(t.Context(), "iris", 1)
		require.NoError(t, err)
		spec.ExperimentID = e.ID
	}
	r, err := s.CreateRun(t.Context(), spec)
	require.NoError(t, err)
	return r
}

// deleteRun does what part of MLflow's REST does.
func (s suite) deleteRun(t *testing.T, id string) {
	t.Helper()
	require.NoError(t, s.db.Exec("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_id = ?", id).Error)
}

func requireCode(t *testing.T, code perennial.Code, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, code, perennial.CodeOf(err), "%v", err)
	message, _, _ := perennial.Explain(err)
	require.NotContains(t, message, "went wrong on our side")
}

// together runs f n times at once, half of them on the other store.
func (s suite) together(n int, f func(i int, s *tracking.Store)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i, []*tracking.Store{s.Store, s.other}[i%2]) })
	}
	wg.Wait()
}

func TestExperiments(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx := t.Context()
		zero, err := s.EnsureExperiment(ctx, "Default", 99)
		require.NoError(t, err)
		require.Equal(t, perennial.Experiment{ID: "0", Name: "Default", ArtifactLocation: "mlflow-artifacts:/0", LifecycleStage: "active"}, zero)
		iris, err := s.EnsureExperiment(ctx, "iris", 1700)
		require.NoError(t, err)
		require.Equal(t, "1", iris.ID)
		require.Equal(t, int64(1700), iris.CreatedAt)
		again, err := s.other.EnsureExperiment(ctx, "iris", 1800)
		require.NoError(t, err)
		require.Equal(t, iris, again)

		require.NoError(t, s.db.Exec("INSERT INTO experiment_tags VALUES ('1', 'team', 'growth')").Error)
		again, err = s.EnsureExperiment(ctx, "iris", 1)
		require.NoError(t, err)
		require.Equal(t, []perennial.Tag{{Key: "team", Value: "growth"}}, again.Tags)

		_, err = s.EnsureExperiment(ctx, "", 1)
		requireCode(t, perennial.CodeInvalid, err)
		require.NoError(t, s.db.Exec("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'iris'").Error)
		_, err = s.EnsureExperiment(ctx, "iris", 1)
		requireCode(t, perennial.CodePrecondition, err)
		_, err = s.CreateRun(ctx, tracking.RunSpec{ExperimentID: "1"})
		requireCode(t, perennial.CodePrecondition, err)
		_, err = s.CreateRun(ctx, tracking.RunSpec{ExperimentID: "77"})
		requireCode(t, perennial.CodeNotFound, err)
	})
}

func TestExperimentIDsCountPastNine(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		var last perennial.Experiment
		for i := range 11 {
			var err error
			last, err = s.EnsureExperiment(t.Context(), "e"+string(rune('a'+i)), 1)
			require.NoError(t, err)
		}
		require.Equal(t, "11", last.ID)
	})
}

func TestExperimentsRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		const n = 16
		got := make([]perennial.Experiment, n)
		errs := make([]error, n)
		s.together(n, func(i int, st *tracking.Store) {
			got[i], errs[i] = st.EnsureExperiment(t.Context(), []string{"same", "odd", "third", "fourth"}[i%4], int64(i))
		})
		ids := map[string]string{}
		for i := range n {
			require.NoError(t, errs[i])
			if id, ok := ids[got[i].Name]; ok {
				require.Equal(t, id, got[i].ID)
			}
			ids[got[i].Name] = got[i].ID
		}
		distinct := map[string]bool{}
		for _, id := range ids {
			distinct[id] = true
		}
		require.Equal(t, map[string]bool{"1": true, "2": true, "3": true, "4": true}, distinct)
	})
}

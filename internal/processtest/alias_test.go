package processtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// TestMovingTheAliasInMLflowPromotes moves the alias champion as MLflow's client
// does: with on_alias_change promote, traffic follows at once.
func TestMovingTheAliasInMLflowPromotes(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	appendTo(t, dir, "iris.yaml", "rollout: {on_alias_change: promote}\n")
	p, ctx := setup(t, dir, "--no-bootstrap"), t.Context()
	for range 2 {
		p.train("iris", client.TrainRequest{Budget: perennial.BudgetBootstrap})
	}
	require.Equal(t, "1", p.served("iris", irisFeatures).Version)
	c, err := mlflow.NewClient(mlflow.Options{URI: p.url})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	registry := mlflow.NewTracker(c, nil)

	require.NoError(t, registry.SetAlias(ctx, "iris", perennial.AliasChampion, "2"))
	p.eventually(time.Minute, "version 2 answers", func(context.Context) bool {
		answer, err := p.predict("iris", irisFeatures)
		return err == nil && answer.Version == "2"
	})
	m, err := registry.GetModel(ctx, "iris")
	require.NoError(t, err)
	require.Equal(t, map[string]string{perennial.AliasChampion: "2"}, m.Aliases)
	history, err := p.History(ctx, "iris", 2)
	require.NoError(t, err)
	require.Equal(t, []string{"2", "1"}, []string{history.Items[0].Champion, history.Items[1].Champion})
	require.Equal(t, "api", history.Items[0].Actor)
	require.Contains(t, history.Items[0].Reason, "champion was moved to version 2")

	for what, refused := range map[string]error{
		"removing it":         registry.DeleteAlias(ctx, "iris", perennial.AliasChampion),
		"moving challenger":   registry.SetAlias(ctx, "iris", perennial.AliasChallenger, "1"),
		"a missing version":   registry.SetAlias(ctx, "iris", perennial.AliasChampion, "17"),
		"the one before held": registry.DeleteVersion(ctx, "iris", "1"),
	} {
		require.Error(t, refused, what)
	}
	view, err := p.Rollback(ctx, "iris", client.RollbackRequest{Reason: "complaints"})
	require.NoError(t, err)
	require.Equal(t, "1", view.Champion, "a promotion at once can be rolled back")
	m, err = registry.GetModel(ctx, "iris")
	require.NoError(t, err)
	require.Equal(t, map[string]string{perennial.AliasChampion: "1"}, m.Aliases)

	v, err := p.Version(ctx, "iris", "2")
	require.NoError(t, err)
	lineage, err := p.DataLineage(ctx, v.Lineage.Data.MD5)
	require.NoError(t, err)
	require.Len(t, lineage.Runs, 2)
	require.Len(t, lineage.Versions, 2)
	require.Positive(t, lineage.Predictions)
}

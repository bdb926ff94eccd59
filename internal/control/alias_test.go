package control_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/serve"
)

// judgeFake refuses the version 4, as one that takes other rows.
type judgeFake struct{ lossyRollouts }

func (judgeFake) Refused(_ context.Context, o activities.Offer, _ string) (perennial.Outcome, string, error) {
	switch {
	case o.Version == "4":
		return perennial.OutcomeIncompatibleSchema, "Version 4 would refuse what the champion accepts: /features/x.", nil
	case o.Version == "3" && !o.Force:
		return "", "", perennial.Errorf(perennial.CodePrecondition, "", "The model file of version 3 was rolled back.")
	}
	return "", "", nil
}

// moving gives a Control where iris has the versions 1 to 4, 1 answers, and moves of
// its aliases are handled as onAlias says.
func moving(t *testing.T, onAlias string) *remote {
	t.Helper()
	w := at(t, 0, "", onAlias)
	register(t, w.versions, "3", "4")
	o := w.options
	o.Rollouts = judgeFake{lossyRollouts{w.lossy}}
	w.Control = control.New(o)
	return w
}

// aliases gives where the registry has iris' aliases.
func (w *remote) aliases(t *testing.T) map[string]string {
	t.Helper()
	m, err := w.versions.GetModel(t.Context(), "iris")
	require.NoError(t, err)
	return m.Aliases
}

func (w *remote) row(t *testing.T) perennial.Traffic {
	t.Helper()
	row, err := w.Traffic.Get(t.Context(), "iris")
	require.NoError(t, err)
	return row
}

func TestMovingTheAliasRollsAVersionOut(t *testing.T) {
	t.Parallel()
	w := moving(t, "")
	require.NoError(t, w.AliasMoved(t.Context(), "ann", "iris", perennial.AliasChampion, "2"))
	row := w.row(t)
	require.Equal(t, []any{perennial.ModeCanary, "1", "2"}, []any{row.Mode, row.Champion, row.Challenger})
	require.Equal(t, map[string]string{"champion": "1", "challenger": "2"}, w.aliases(t), "champion comes after it when it is promoted")

	require.NoError(t, w.AliasMoved(t.Context(), "ann", "iris", perennial.AliasChampion, "1"), "that is where it is")
	require.NoError(t, w.AliasMoved(t.Context(), "ann", "iris", perennial.AliasChallenger, "2"))
	require.Equal(t, row, w.row(t))
}

func TestMovingTheAliasPromotesAtOnce(t *testing.T) {
	t.Parallel()
	w := moving(t, "promote")
	ctx := perennial.WithActor(t.Context(), perennial.Actor{Name: "bob", Role: perennial.AccessOperator})
	require.NoError(t, w.AliasMoved(ctx, "somebody", "iris", perennial.AliasChampion, "2"))
	row := w.row(t)
	require.Equal(t, []any{perennial.ModeServing, "2", "bob"}, []any{row.Mode, row.Champion, row.Actor})
	require.Equal(t, "the alias champion was moved to version 2 in MLflow", row.Reason)
	require.Equal(t, map[string]string{"champion": "2"}, w.aliases(t))

	freeze := serve.Freeze{Model: "iris", Until: now.Add(time.Hour).UnixMilli(), Reason: "release"}
	require.NoError(t, w.Traffic.SetFreeze(t.Context(), freeze))
	for version, code := range map[string]perennial.Code{
		"9": perennial.CodeNotFound,     // there is none
		"3": perennial.CodePrecondition, // frozen
	} {
		err := w.AliasMoved(ctx, "", "iris", perennial.AliasChampion, version)
		require.Equal(t, code, perennial.CodeOf(err), "%v", err)
	}
	require.NoError(t, w.AliasMoved(ctx, "", "iris", perennial.AliasChampion, "1"), "no freeze forbids going back")
	require.Equal(t, "1", w.row(t).Champion)
	require.NoError(t, w.Traffic.Unfreeze(t.Context(), "iris"))
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(w.AliasMoved(ctx, "", "iris", perennial.AliasChampion, "3")), "it was rolled back before")

	row = w.row(t)
	err := w.AliasMoved(ctx, "", "iris", perennial.AliasChampion, "4")
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	require.ErrorContains(t, err, "/features/x")
	require.Equal(t, row, w.row(t))
	require.Equal(t, map[string]string{"champion": "1"}, w.aliases(t))
	view, err := w.Rollout(t.Context(), "iris")
	require.NoError(t, err)
	require.Equal(t, &client.DivergenceView{Alias: "champion", Version: "4", Actor: "bob", Reason: "Version 4 would refuse what the champion accepts: /features/x.", At: now.UTC()}, view.Alias)
	require.NoError(t, w.AliasMoved(ctx, "", "iris", perennial.AliasChampion, "2"))
	view, err = w.Rollout(t.Context(), "iris")
	require.NoError(t, err)
	require.Nil(t, view.Alias, "traffic has changed since")
}

func TestMovesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		onAlias, alias, version, says string
	}{
		"by the pipeline":         {"refuse", perennial.AliasChampion, "2", "on_alias_change"},
		"removing champion":       {"promote", perennial.AliasChampion, "", "can't be removed"},
		"moving challenger":       {"promote", perennial.AliasChallenger, "2", "follows the rollout"},
		"a version of no number":  {"promote", perennial.AliasChampion, "two", "no version"},
		"a version there isn't":   {"canary", perennial.AliasChampion, "17", "doesn't exist"},
		"a version that can't be": {"promote", perennial.AliasChampion, "4", "would refuse"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := moving(t, c.onAlias)
			require.NoError(t, w.versions.SetAlias(t.Context(), "iris", perennial.AliasChampion, "1"))
			before := w.row(t)
			err := w.AliasMoved(t.Context(), "ann", "iris", c.alias, c.version)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, before, w.row(t))
			require.Equal(t, map[string]string{"champion": "1"}, w.aliases(t))
			view, err := w.Rollout(t.Context(), "iris")
			require.NoError(t, err)
			if c.version == "17" {
				require.Nil(t, view.Alias, "nothing has to follow to a version that isn't there, or isn't any more")
				return
			}
			require.Equal(t, c.version, view.Alias.Version, "it shows")
			require.Equal(t, "ann", view.Alias.Actor)
		})
	}
	w := moving(t, "promote")
	reader := perennial.WithActor(t.Context(), perennial.Actor{Name: "eve", Role: perennial.AccessTrainer})
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(w.AliasMoved(reader, "ann", "iris", perennial.AliasChampion, "2")))
}

func TestAnAliasThatDiffersByCaseOnly(t *testing.T) {
	t.Parallel()
	w, ctx := moving(t, "promote"), t.Context()
	require.NoError(t, w.versions.SetAlias(ctx, "iris", "Champion", "1")) // from before it was refused
	before := w.row(t)
	for _, alias := range []string{"Champion", "CHALLENGER"} {
		err := w.AliasMoved(ctx, "ann", "iris", alias, "2")
		require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err), "%v", err)
		require.ErrorContains(t, err, strings.ToLower(alias)+", which says who answers")
	}
	require.Equal(t, map[string]string{"Champion": "1"}, w.aliases(t))
	require.NoError(t, w.AliasMoved(ctx, "ann", "iris", "Champion", ""))
	require.Empty(t, w.aliases(t))
	require.Equal(t, before, w.row(t))

	registerFor(t, w.versions, "other", "1")
	require.NoError(t, w.AliasMoved(ctx, "ann", "other", "Champion", "1"), "no predictions of ours")
	m, err := w.versions.GetModel(ctx, "other")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Champion": "1"}, m.Aliases)
}

func TestAliasesOfOtherModelsAreMLflowsOwn(t *testing.T) {
	t.Parallel()
	w, ctx := moving(t, ""), t.Context()
	registerFor(t, w.versions, "other", "1")
	for _, alias := range []string{perennial.AliasChampion, perennial.AliasChallenger} {
		require.NoError(t, w.AliasMoved(ctx, "ann", "other", alias, "1"))
	}
	require.NoError(t, w.AliasMoved(ctx, "ann", "other", perennial.AliasChallenger, ""))
	m, err := w.versions.GetModel(ctx, "other")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"champion": "1"}, m.Aliases)
	require.NoError(t, w.Held(ctx, "other", ""))
	require.NoError(t, w.Held(ctx, "other", "1"))
}

func TestHeldVersions(t *testing.T) {
	t.Parallel()
	w, ctx := moving(t, "promote"), t.Context()
	require.NoError(t, w.AliasMoved(ctx, "ann", "iris", perennial.AliasChampion, "2"))
	for version, held := range map[string]bool{"": true, "1": true, "2": true, "3": false, "17": false} {
		err := w.Held(ctx, "iris", version)
		require.Equal(t, held, err != nil, "version %q", version)
		if held {
			require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
		}
	}

	operator := as(t, perennial.AccessOperator)
	require.Equal(t, perennial.CodeForbidden, perennial.CodeOf(w.Control.DeleteVersion(as(t, perennial.AccessTrainer), "iris", "3", "")))
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(w.Control.DeleteVersion(operator, "iris", "1", "")))
	require.NoError(t, w.Control.DeleteVersion(operator, "iris", "3", "never used"))
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(w.Control.DeleteVersion(operator, "iris", "3", "")))
	_, err := w.versions.GetVersion(ctx, "iris", "3")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
}

// following is a Control on an MLflow server of its own.
func following(t *testing.T, onAlias string) *remote {
	t.Helper()
	w := moving(t, onAlias)
	o := w.options
	o.ForeignRegistry, o.Rollouts = true, judgeFake{lossyRollouts{w.lossy}}
	w.Control = control.New(o)
	return w
}

func TestAForeignMoveIsACommand(t *testing.T) {
	t.Parallel()
	for onAlias, want := range map[string]struct {
		mode perennial.Mode
		at   map[string]string
	}{
		"canary":  {perennial.ModeCanary, map[string]string{"champion": "1", "challenger": "2"}},
		"promote": {perennial.ModeServing, map[string]string{"champion": "2"}},
		"refuse":  {perennial.ModeServing, map[string]string{"champion": "1"}},
	} {
		t.Run(onAlias, func(t *testing.T) {
			t.Parallel()
			w := following(t, onAlias)
			ctx := t.Context()
			require.NoError(t, w.LookAtAliases(ctx))
			require.Equal(t, map[string]string{"champion": "1"}, w.aliases(t), "the first look puts it there")
			require.NoError(t, w.versions.SetAlias(ctx, "iris", perennial.AliasChampion, "2"))
			for range 3 { // more looks, or another process, change nothing more
				require.NoError(t, w.LookAtAliases(ctx))
			}
			require.Equal(t, want.mode, w.row(t).Mode)
			require.Equal(t, want.at, w.aliases(t))
			if onAlias == "promote" {
				require.Equal(t, "mlflow", w.row(t).Actor)
			}
			var actions []string
			require.NoError(t, w.db.Table("audit").Pluck("action", &actions).Error)
			require.Len(t, actions, 1, fmt.Sprint(actions))
		})
	}
}

func TestWhatPerennialMovedIsNoCommand(t *testing.T) {
	t.Parallel()
	w := following(t, "promote")
	ctx := t.Context()
	require.NoError(t, w.LookAtAliases(ctx))
	next := w.row(t)
	next.Champion, next.OpID = "2", "by-hand"
	_, err := w.Traffic.Set(ctx, next, next.Epoch)
	require.NoError(t, err)
	require.NoError(t, w.LookAtAliases(ctx), "the row moved, and the process ended before it moved the alias")
	require.Equal(t, "2", w.row(t).Champion)
	require.Equal(t, map[string]string{"champion": "2"}, w.aliases(t))

	require.NoError(t, w.Traffic.AliasWanted(ctx, "iris", perennial.AliasChampion, "1"))
	require.NoError(t, w.versions.SetAlias(ctx, "iris", perennial.AliasChampion, "1"))
	require.NoError(t, w.LookAtAliases(ctx), "it ended before it noted that it was done")
	require.Equal(t, "2", w.row(t).Champion)
	require.Equal(t, map[string]string{"champion": "2"}, w.aliases(t))
}

func TestAForeignMoveThatCannotBe(t *testing.T) {
	t.Parallel()
	w := following(t, "promote")
	ctx := t.Context()
	require.NoError(t, w.LookAtAliases(ctx))
	require.NoError(t, w.versions.SetAlias(ctx, "iris", perennial.AliasChampion, "4"))
	for range 2 {
		require.NoError(t, w.LookAtAliases(ctx))
		require.Equal(t, map[string]string{"champion": "4"}, w.aliases(t), "it stands as a divergence")
	}
	require.Equal(t, "1", w.row(t).Champion)
	view, err := w.Rollout(ctx, "iris")
	require.NoError(t, err)
	require.Equal(t, "4", view.Alias.Version)

	require.NoError(t, w.versions.SetAlias(ctx, "iris", perennial.AliasChampion, "2"))
	require.NoError(t, w.LookAtAliases(ctx))
	require.Equal(t, "2", w.row(t).Champion)

	require.NoError(t, w.versions.DeleteAlias(ctx, "iris", perennial.AliasChampion))
	require.NoError(t, w.LookAtAliases(ctx))
	require.Equal(t, map[string]string{"champion": "2"}, w.aliases(t), "a removed alias is set back")
}

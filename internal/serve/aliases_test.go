package serve_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial/internal/serve"
)

func TestAliases(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ *gorm.DB, a, b *serve.TrafficStore) {
		ctx := t.Context()
		known, err := a.Aliases(ctx, "iris")
		require.NoError(t, err)
		require.Empty(t, known)
		free, err := a.ClaimAlias(ctx, "iris", "champion", 10, 20)
		require.NoError(t, err)
		require.False(t, free, "what was never seen is nobody's move")

		require.NoError(t, a.AliasSeen(ctx, "iris", "champion", "1"))
		require.NoError(t, a.AliasWanted(ctx, "iris", "champion", "2"))
		known, err = b.Aliases(ctx, "iris")
		require.NoError(t, err)
		note := known["champion"]
		require.True(t, note.Ours("1"))
		require.True(t, note.Ours("2"))
		require.False(t, note.Ours("3"))
		require.False(t, note.Ours(""))
		require.NoError(t, b.AliasSeen(ctx, "iris", "champion", "2"))

		asked := serve.Alias{Model: "iris", Alias: "champion", Asked: "7", AskedBy: "ann", AskedReason: "no file", AskedAt: 5, AskedEpoch: 3}
		require.NoError(t, a.AliasAsked(ctx, asked))
		asked.Seen, asked.Wanted = "2", "2"
		known, err = b.Aliases(ctx, "iris")
		require.NoError(t, err)
		require.Equal(t, map[string]serve.Alias{"champion": asked}, known, "each call writes its own columns only")
		require.NoError(t, a.AliasSeen(ctx, "iris", "challenger", "2"))
		require.NoError(t, a.AliasAsked(ctx, serve.Alias{Model: "churn", Alias: "champion", AskedAt: 6}))
		for want, models := range map[int][]string{0: {"nope"}, 1: {"iris", "nope"}, 2: {"churn", "iris"}} {
			found, err := b.Asked(ctx, models...)
			require.NoError(t, err)
			require.Len(t, found, want, models)
		}
		found, err := b.Asked(ctx, "iris")
		require.NoError(t, err)
		require.Equal(t, []serve.Alias{asked}, found)
		found, err = b.Asked(ctx)
		require.NoError(t, err)
		require.Empty(t, found)

		for i, want := range []bool{true, false} {
			mine, err := []*serve.TrafficStore{a, b}[i].ClaimAlias(ctx, "iris", "champion", 10, 20)
			require.NoError(t, err)
			require.Equal(t, want, mine)
		}
		require.NoError(t, b.ReleaseAlias(ctx, "iris", "champion", 19))
		mine, err := b.ClaimAlias(ctx, "iris", "champion", 19, 30)
		require.NoError(t, err)
		require.False(t, mine, "that was another claim")
		mine, err = b.ClaimAlias(ctx, "iris", "champion", 20, 30)
		require.NoError(t, err)
		require.True(t, mine, "its holder is gone")
		require.NoError(t, b.ReleaseAlias(ctx, "iris", "champion", 30))
		mine, err = a.ClaimAlias(ctx, "iris", "champion", 1, 2)
		require.NoError(t, err)
		require.True(t, mine)
	})
}

func TestChampions(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, _ *gorm.DB, a, _ *serve.TrafficStore) {
		for i, v := range []string{"1", "2", "1", "3"} {
			mustSet(t, a, serving(v, fmt.Sprint("op-", i)), int64(i))
		}
		row := canary(500, "op-4")
		row.Champion, row.Challenger = "3", "4"
		mustSet(t, a, row, 4)
		got, err := a.Champions(t.Context(), "iris", 2)
		require.NoError(t, err)
		require.Equal(t, []string{"3", "1"}, got)
		got, err = a.Champions(t.Context(), "iris", 20)
		require.NoError(t, err)
		require.Equal(t, []string{"3", "1", "2"}, got, "a challenger was no champion")
		got, err = a.Champions(t.Context(), "none", 20)
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

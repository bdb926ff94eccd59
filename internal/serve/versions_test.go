package serve_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/db"
	"github.com/perennial-ml/perennial/internal/db/dbtest"
	"github.com/perennial-ml/perennial/internal/serve"
)

func TestVersionsAreRemembered(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		ctx, g := t.Context(), open()
		require.NoError(t, db.Migrate(ctx, g, serve.Component, serve.Migrations))
		s := serve.NewVersionStore(g)
		_, err := s.GetVersion(ctx, "iris", "1")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
		require.NoError(t, s.Keep(ctx, perennial.ModelVersion{Model: "iris", Version: "2"}), "without a model file there is nothing to serve")
		_, err = s.GetVersion(ctx, "iris", "2")
		require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
		for _, sum := range []string{"aa", "bb"} { // a model that was deleted and made again begins with 1
			v := perennial.ModelVersion{Model: "iris", Version: "1", Aliases: []string{"champion"}, Lineage: perennial.Lineage{ModelSHA256: sum, Seed: 42}}
			require.NoError(t, s.Keep(ctx, v))
			got, err := s.GetVersion(ctx, "iris", "1")
			require.NoError(t, err)
			v.Aliases = nil
			require.Equal(t, v, got)
		}
	})
}

func TestWhatWasKeptOfAVersionWins(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, open func() *gorm.DB) {
		ctx, g := t.Context(), open()
		require.NoError(t, db.Migrate(ctx, g, serve.Component, serve.Migrations))
		s := serve.NewVersionStore(g)
		kept := perennial.ModelVersion{
			Model: "iris", Version: "1", CreatedAt: 5, Lineage: perennial.Lineage{ModelSHA256: "aa", Seed: 42},
			Tags: []perennial.Tag{{Key: "perennial.data_md5", Value: "d"}, {Key: "z", Value: "old"}},
		}
		require.NoError(t, s.Keep(ctx, kept))
		forged := kept
		forged.Lineage = perennial.Lineage{ModelSHA256: "bb"}
		forged.Tags = []perennial.Tag{{Key: "perennial.data_md5", Value: "forged"}, {Key: "perennial.x", Value: "1"}, {Key: "z", Value: "new"}}
		another := forged // of a model that was made again
		another.CreatedAt = 6
		stranger := forged
		stranger.Version = "2"
		for _, c := range []struct{ came, want perennial.ModelVersion }{{forged, kept}, {another, another}, {stranger, stranger}} {
			one := []perennial.ModelVersion{c.came}
			require.NoError(t, s.Settle(ctx, one))
			if c.came.Lineage != c.want.Lineage {
				c.want.Tags = []perennial.Tag{{Key: "perennial.data_md5", Value: "d"}, {Key: "z", Value: "new"}}
			}
			require.Equal(t, c.want, one[0])
		}
		many := []perennial.ModelVersion{stranger, forged}
		require.NoError(t, s.Settle(ctx, many))
		require.Equal(t, kept.Lineage, many[1].Lineage)
		require.NoError(t, s.Settle(ctx, nil))
	})
}

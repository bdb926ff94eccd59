package tracking_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestVersions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx := t.Context()
		_, err := s.CreateVersion(ctx, perennial.ModelVersion{Model: "iris"}, "")
		requireCode(t, perennial.CodeNotFound, err)
		_, err = s.EnsureModel(ctx, "", 1)
		requireCode(t, perennial.CodeInvalid, err)
		for range 2 {
			m, err := s.EnsureModel(ctx, "iris", 3)
			require.NoError(t, err)
			require.Equal(t, perennial.RegisteredModel{Name: "iris", CreatedAt: 3, UpdatedAt: 3}, m)
		}
		none, err := s.Versions(ctx, "iris")
		require.NoError(t, err)
		require.Empty(t, none)

		v1, err := s.CreateVersion(ctx, perennial.ModelVersion{
			Model: "iris", RunID: "r", Source: "runs:/r/model", CreatedAt: 4,
			Tags:    []perennial.Tag{{Key: "b", Value: "2"}, {Key: "a", Value: "1"}},
			Lineage: perennial.Lineage{RunID: "r", ModelSHA256: "m", Seed: 42, Data: perennial.DataRef{MD5: "d"}},
		}, "op-1")
		require.NoError(t, err)
		require.Equal(t, perennial.ModelVersion{
			Model: "iris", Version: "1", RunID: "r", Source: "runs:/r/model", Status: "READY", CreatedAt: 4, UpdatedAt: 4,
			Tags:    []perennial.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}},
			Lineage: perennial.Lineage{RunID: "r", ModelSHA256: "m", Seed: 42, Data: perennial.DataRef{MD5: "d"}},
		}, v1)
		again, err := s.other.CreateVersion(ctx, perennial.ModelVersion{Model: "iris", RunID: "other"}, "op-1")
		require.NoError(t, err)
		require.Equal(t, v1, again)

		for want := 2; want <= 11; want++ {
			v, err := s.CreateVersion(ctx, perennial.ModelVersion{Model: "iris", CreatedAt: int64(want)}, "")
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(want), v.Version)
		}
		require.NoError(t, s.db.Exec("DELETE FROM model_versions WHERE version >= 10").Error)
		v12, err := s.CreateVersion(ctx, perennial.ModelVersion{Model: "iris"}, "op-12")
		require.NoError(t, err)
		require.Equal(t, "12", v12.Version, "a number is never used twice")

		all, err := s.Versions(ctx, "iris")
		require.NoError(t, err)
		require.Len(t, all, 10)
		require.Equal(t, v12, all[0])
		require.Equal(t, v1, all[9])
		got, err := s.GetVersion(ctx, "iris", "1")
		require.NoError(t, err)
		require.Equal(t, v1, got)
		_, err = s.GetVersion(ctx, "iris", "10")
		requireCode(t, perennial.CodeNotFound, err)
		for _, bad := range []string{"", "x", "0", "-1", "+1", "01", "1.0", "99999999999999999999"} {
			_, err = s.GetVersion(ctx, "iris", bad)
			requireCode(t, perennial.CodeInvalid, err)
		}
		_, err = s.Versions(ctx, "nope")
		requireCode(t, perennial.CodeNotFound, err)
	})
}

func TestParallelVersionsAreDistinct(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		_, err := s.EnsureModel(t.Context(), "iris", 1)
		require.NoError(t, err)
		const n = 16
		got := make([]string, n)
		errs := make([]error, n)
		s.together(n, func(i int, st *tracking.Store) {
			op := ""
			if i >= 8 { // two of these share each op
				op = fmt.Sprint("op-", i/2)
			}
			v, err := st.CreateVersion(t.Context(), perennial.ModelVersion{Model: "iris"}, op)
			got[i], errs[i] = v.Version, err
		})
		seen := map[string]bool{}
		for i := range n {
			require.NoError(t, errs[i])
			seen[got[i]] = true
			if i >= 8 && i%2 == 1 {
				require.Equal(t, got[i-1], got[i], "one op, one version")
			}
		}
		require.Len(t, seen, 12)
		all, err := s.Versions(t.Context(), "iris")
		require.NoError(t, err)
		require.Len(t, all, 12)
	})
}

func TestAliases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx := t.Context()
		for _, name := range []string{"iris", "california-housing"} {
			_, err := s.EnsureModel(ctx, name, 1)
			require.NoError(t, err)
		}
		for range 2 {
			_, err := s.CreateVersion(ctx, perennial.ModelVersion{Model: "iris"}, "")
			require.NoError(t, err)
		}
		require.NoError(t, s.SetAlias(ctx, "iris", perennial.AliasChampion, "1"))
		require.NoError(t, s.SetAlias(ctx, "iris", perennial.AliasChampion, "2"))
		require.NoError(t, s.SetAlias(ctx, "iris", "a-1", "2"))
		require.NoError(t, s.SetAlias(ctx, "iris", "kept", "1"))
		require.NoError(t, s.db.Exec("INSERT INTO registered_model_tags VALUES ('iris', 'team', 'growth')").Error)

		models, err := s.Models(ctx)
		require.NoError(t, err)
		require.Len(t, models, 2)
		require.Equal(t, "california-housing", models[0].Name)
		require.Empty(t, models[0].Aliases)
		require.Equal(t, map[string]string{"champion": "2", "a-1": "2", "kept": "1"}, models[1].Aliases)
		require.Equal(t, []perennial.Tag{{Key: "team", Value: "growth"}}, models[1].Tags)
		v, err := s.GetVersion(ctx, "iris", "2")
		require.NoError(t, err)
		require.Equal(t, []string{"a-1", "champion"}, v.Aliases)

		for range 2 {
			require.NoError(t, s.DeleteAlias(ctx, "iris", "a-1"))
		}
		requireCode(t, perennial.CodeNotFound, s.DeleteAlias(ctx, "nope", "a"))
		requireCode(t, perennial.CodeNotFound, s.SetAlias(ctx, "iris", "champion", "3"))
		requireCode(t, perennial.CodeNotFound, s.SetAlias(ctx, "nope", "champion", "1"))
		for _, bad := range []string{"", "latest", "Latest", "v3", "V12", "a b", "a/b", strings.Repeat("a", 256)} {
			requireCode(t, perennial.CodeInvalid, s.SetAlias(ctx, "iris", bad, "1"))
		}
		require.NoError(t, s.db.Exec("DELETE FROM model_versions WHERE version = 2").Error)
		m, err := s.GetModel(ctx, "iris")
		require.NoError(t, err)
		require.Equal(t, map[string]string{"kept": "1"}, m.Aliases, "aliases die with their version")
		_, err = s.GetModel(ctx, "nope")
		requireCode(t, perennial.CodeNotFound, err)
	})
}

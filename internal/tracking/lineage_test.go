package tracking_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestDataLineage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s suite) {
		ctx := t.Context()
		tagged := s.run(t, tracking.RunSpec{StartedAt: 1, Tags: []perennial.Tag{{Key: perennial.TagDataMD5, Value: "aa"}}})
		read := s.run(t, tracking.RunSpec{StartedAt: 2})
		require.NoError(t, s.LogInput(ctx, read.ID, perennial.DatasetInput{Context: "training", Data: perennial.DataRef{Path: "x", MD5: "aa"}}))
		other := s.run(t, tracking.RunSpec{StartedAt: 3, Tags: []perennial.Tag{{Key: perennial.TagDataMD5, Value: "bb"}, {Key: "note", Value: "aa"}}})
		s.deleteRun(t, tagged.ID)
		runs, err := s.RunsByData(ctx, "aa")
		require.NoError(t, err)
		require.Len(t, runs, 2)
		require.Equal(t, []string{read.ID, tagged.ID}, []string{runs[0].ID, runs[1].ID})
		none, err := s.RunsByData(ctx, "a")
		require.NoError(t, err)
		require.Empty(t, none)

		_, err = s.EnsureModel(ctx, "iris", 1)
		require.NoError(t, err)
		for _, run := range []string{tagged.ID, other.ID, read.ID} {
			_, err := s.CreateVersion(ctx, perennial.ModelVersion{Model: "iris", RunID: run}, "")
			require.NoError(t, err)
		}
		versions, err := s.VersionsOfRuns(ctx, []string{tagged.ID, read.ID})
		require.NoError(t, err)
		require.Len(t, versions, 2)
		require.Equal(t, []string{"3", "1"}, []string{versions[0].Version, versions[1].Version})
	})
}

package dataset_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

func TestSideTableIsCanonical(t *testing.T) {
	t.Parallel()
	s := dataset.Sides{"b": perennial.SideTrain, "a\tx\n\\": perennial.SideStream, "": perennial.SideHoldout}
	require.Equal(t, "\tholdout\n"+`a\tx\n\\`+"\tstream\nb\ttrain\n", string(s.Encode()))
	require.Len(t, s.SHA256(), 64)
	require.Empty(t, dataset.Sides{}.Encode())
	for name, text := range map[string]string{
		"order": "b\ttrain\na\ttrain\n", "twice": "a\ttrain\na\ttrain\n", "side": "a\ttest\n", "no line end": "a\ttrain", "no tab": "a\n",
		"escape": `a\x` + "\ttrain\n", "empty line": "\n", "CRLF": "a\ttrain\r\n",
	} {
		_, err := dataset.DecodeSides([]byte(text))
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
	}
}

func TestSideTableReadsBack(t *testing.T) {
	t.Parallel()
	side := rapid.SampledFrom([]perennial.Side{perennial.SideTrain, perennial.SideHoldout, perennial.SideStream})
	rapid.Check(t, func(t *rapid.T) {
		s := dataset.Sides(rapid.MapOf(rapid.StringOf(rapid.SampledFrom([]rune("ab\\tn\t\n\r\x00é"))), side).Draw(t, "sides"))
		back, err := dataset.DecodeSides(s.Encode())
		require.NoError(t, err)
		require.Equal(t, s, back)
	})
}

func TestCheckLeakNamesTheKeys(t *testing.T) {
	t.Parallel()
	require.NoError(t, dataset.CheckLeak([]string{"a", "b"}, []string{"c", "c"}))
	require.NoError(t, dataset.CheckLeak(nil, nil))
	err := dataset.CheckLeak(strings.Split("abcdefgh", ""), strings.Split("hgfedcbbxyz", ""))
	require.Equal(t, perennial.CodePrecondition, perennial.CodeOf(err))
	message, hint, fields := perennial.Explain(err)
	require.Equal(t, "7 keys are in the training rows and in the evaluation rows: b, c, d, e, f, …", message)
	require.NotEmpty(t, hint)
	require.Equal(t, dataset.RuleHoldoutLeak, fields[0].Rule)
	require.Equal(t, []string{"b", "c", "d", "e", "f"}, fields[0].Came)
}

func TestSnapshotNamesTheData(t *testing.T) {
	t.Parallel()
	sides := dataset.Sides{"a": perennial.SideTrain, "b": perennial.SideHoldout, "gone": perennial.SideStream}
	snapshot := dataset.NewSnapshot(perennial.DataRef{Path: "data/raw/x.csv", MD5: "ab12", Size: 9}, churn(), 42, []string{"a", "b", "a"}, sides)
	require.Equal(t, 3, snapshot.Data.Rows)
	require.Equal(t, "ab12", snapshot.Data.BaseMD5)
	require.Equal(t, sides.SHA256(), snapshot.Data.Sides)
	require.Equal(t, dataset.SchemaSHA256(churn()), snapshot.Data.Schema)
	require.Equal(t, map[perennial.Side]int{perennial.SideTrain: 2, perennial.SideHoldout: 1, perennial.SideStream: 0}, snapshot.Rows)

	back, err := dataset.DecodeSnapshot(snapshot.Encode())
	require.NoError(t, err)
	require.Equal(t, snapshot, back)
	require.Equal(t, snapshot.SHA256(), back.SHA256())
	for _, bad := range []string{"", "{}", string(snapshot.Encode()) + " ", strings.Replace(string(snapshot.Encode()), `"seed"`, `"sed"`, 1)} {
		_, err := dataset.DecodeSnapshot([]byte(bad))
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), bad)
	}
	require.True(t, json.Valid(snapshot.Encode()))

	other := churn()
	other.Columns[4].Nullable = false
	require.NotEqual(t, dataset.SchemaSHA256(churn()), dataset.SchemaSHA256(other))
}

func FuzzDecodeSides(f *testing.F) {
	f.Add([]byte("a\ttrain\nb\tholdout\n"))
	f.Add([]byte(`a\t` + "\tstream\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := dataset.DecodeSides(b)
		if err == nil {
			require.Equal(t, string(b), string(s.Encode()), "what is accepted is canonical")
		}
	})
}

package dataset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

func TestDiffRows(t *testing.T) {
	t.Parallel()
	const before = "id,x,y\n1,1,a\n2,2,b\n3,3,c\n4,4,d\n"
	cases := map[string]struct {
		before, after string
		o             dataset.RowDiffOptions
		want          dataset.RowDiff
	}{
		"same rows in another order": {before, "id,x,y\n4,4,d\n3,3,c\n2, 2,b\n1,1,a\n", dataset.RowDiffOptions{Key: []string{"id"}}, dataset.RowDiff{Before: 4, After: 4, Key: []string{"id"}}},
		"by key": {before, "id,x,y\n1,1,a\n2,9,b\n5,5,e\n4,4,d\n6,6,f\n", dataset.RowDiffOptions{Key: []string{"id", "gone"}, Examples: 1}, dataset.RowDiff{
			Before: 4, After: 5, Added: 2, Removed: 1, Changed: 1, Key: []string{"id"}, Examples: []dataset.RowChange{
				{Kind: "changed", Row: 2, Values: map[string]string{"id": "2"}, Cells: []dataset.CellChange{{Column: "x", Before: "2", After: "9"}}},
				{Kind: "added", Row: 3, Values: map[string]string{"id": "5"}},
				{Kind: "removed", Row: 3, Values: map[string]string{"id": "3"}},
			},
		}},
		"without a key":                          {before, "id,x,y\n1,1,a\n2,9,b\n3,3,c\n", dataset.RowDiffOptions{}, dataset.RowDiff{Before: 4, After: 3, Added: 1, Removed: 2}},
		"equal rows":                             {"x\n1\n1\n2\n", "x\n1\n2\n2\n2\n", dataset.RowDiffOptions{Key: []string{"x"}}, dataset.RowDiff{Before: 3, After: 4, Added: 2, Removed: 1, Key: []string{"x"}}},
		"rows of one key pair with their equals": {"k,v\n1,a\n1,b\n", "k,v\n1,c\n1,a\n", dataset.RowDiffOptions{Key: []string{"k"}}, dataset.RowDiff{Before: 2, After: 2, Changed: 1, Key: []string{"k"}}},
		"columns": {before, "y,id,z\na,1,1\nb,2,2\nc,3,3\nd,x,4\n", dataset.RowDiffOptions{Key: []string{"y"}}, dataset.RowDiff{
			Before: 4, After: 4, Changed: 1, Key: []string{"y"}, AddedColumns: []string{"z"}, RemovedColumns: []string{"x"}, Reordered: true,
			Retyped: []dataset.Retyped{{Column: "id", Before: "number", After: "text"}},
		}},
		"from nothing":        {"", "x\n1\n", dataset.RowDiffOptions{}, dataset.RowDiff{After: 1, Added: 1, AddedColumns: []string{"x"}}},
		"short rows":          {"a,b\n1\n", "a,b\n1,\n", dataset.RowDiffOptions{}, dataset.RowDiff{Before: 1, After: 1}},
		"of another dialect":  {"a;b\n1;2\n", "a;b\n1;3\n", dataset.RowDiffOptions{Key: []string{"a"}, CSV: perennial.CSVOptions{Delimiter: ";"}}, dataset.RowDiff{Before: 1, After: 1, Changed: 1, Key: []string{"a"}}},
		"values that run on":  {"a,b\n1,23\n", "a,b\n12,3\n", dataset.RowDiffOptions{}, dataset.RowDiff{Before: 1, After: 1, Added: 1, Removed: 1}},
		"with a byte order 1": {"\xef\xbb\xbfa\n1\n", "a\n1\n", dataset.RowDiffOptions{}, dataset.RowDiff{Before: 1, After: 1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			came, err := dataset.DiffRows(t.Context(), "x.csv", []byte(c.before), []byte(c.after), c.o)
			require.NoError(t, err)
			for i := range came.Examples {
				require.Positive(t, came.Examples[i].Row)
			}
			if c.o.Examples == 0 {
				require.Empty(t, came.Examples)
			}
			requireSameDiff(t, c.want, came)
		})
	}
	_, err := dataset.DiffRows(t.Context(), "x.csv", []byte("a\n\"1\n"), []byte("a\n"), dataset.RowDiffOptions{})
	require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
	_, err = dataset.DiffRows(t.Context(), "x.parquet", nil, nil, dataset.RowDiffOptions{})
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
}

func requireSameDiff(t *testing.T, want, came dataset.RowDiff) {
	t.Helper()
	require.Len(t, came.Examples, len(want.Examples))
	for i, w := range want.Examples {
		c := came.Examples[i]
		require.Equal(t, []any{w.Kind, w.Row, w.Values, w.Cells}, []any{c.Kind, c.Row, c.Values, c.Cells})
	}
	want.Examples, came.Examples = nil, nil
	require.Equal(t, want, came)
}

func FuzzDiffRows(f *testing.F) {
	f.Add("id,x\n1,2\n", "id,x\n1,3\n2,2\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		d, err := dataset.DiffRows(t.Context(), "x.csv", []byte(before), []byte(after), dataset.RowDiffOptions{Key: []string{"id"}, Examples: 2})
		if err != nil {
			return
		}
		require.Equal(t, d.After-d.Before, d.Added-d.Removed)
	})
}

package dataset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

func TestObjectGivesARowAsARequestSendsIt(t *testing.T) {
	t.Parallel()
	schema := perennial.Schema{Version: 1, Columns: []perennial.Column{
		{Name: "id", Role: perennial.RoleID},
		{Name: "plan", Role: perennial.RoleFeature, Type: perennial.TypeCategorical, Values: []string{"basic", "plus"}},
		{Name: "income", Role: perennial.RoleFeature, Type: perennial.TypeNumeric, Nullable: true},
		{Name: "student", Role: perennial.RoleFeature, Type: perennial.TypeBoolean},
		{Name: "since", Role: perennial.RoleFeature, Type: perennial.TypeDate},
		{Name: "churned", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"no", "yes"}},
	}}
	table, _, err := dataset.Read(t.Context(), "x.csv", []byte("id,plan,income,student,since,churned\na,plus,0.1,true,2026-03-01,no\nb,basic,,false,1969-12-31,yes\n"), &schema,
		perennial.CSVOptions{NullValues: []string{""}})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"plan": "plus", "income": 0.1, "student": true, "since": "2026-03-01"}, dataset.Object(table, 0))
	require.Equal(t, map[string]any{"plan": "basic", "income": nil, "student": false, "since": "1969-12-31"}, dataset.Object(table, 1))
}

package dataset_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
)

func TestAnUnknownClassIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	schema := &perennial.Schema{Columns: []perennial.Column{
		{Name: "x", Role: perennial.RoleFeature, Type: perennial.TypeNumeric},
		{Name: "y", Role: perennial.RoleTarget, Type: perennial.TypeCategorical, Values: []string{"no", "yes"}},
	}}
	_, _, err := dataset.Read(t.Context(), "d.csv", []byte("x,y\n1,no\n2,maybe\n3,yes\n"), schema, perennial.CSVOptions{Delimiter: ",", Decimal: "."})
	message, _, fields := perennial.Explain(err)
	require.Equal(t, `d.csv has 1 fault; line 3: y has the class "maybe", which the schema doesn't list: it knows no, yes.`, message)
	require.Equal(t, 3, fields[0].Line)
}

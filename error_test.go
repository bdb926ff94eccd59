package perennial_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
)

func TestErrorChainKeepsCodeAndShowsOnlyTheMessage(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk says no")
	err := perennial.Wrap("activities.LoadDataset", perennial.Errorf(perennial.CodeNotFound, "dvc.Pull", "object %s is missing", "ab12").
		WithHint("Run perennial data pull.").Because(cause))
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
	require.ErrorIs(t, err, cause)
	require.Equal(t, "activities.LoadDataset: dvc.Pull: object ab12 is missing: disk says no", err.Error())
	message, hint, _ := perennial.Explain(err)
	require.Equal(t, "object ab12 is missing", message)
	require.Equal(t, "Run perennial data pull.", hint)
}

func TestForeignErrorsStayInside(t *testing.T) {
	t.Parallel()
	err := perennial.Wrap("db.Open", errors.New("password=hunter2"))
	require.Equal(t, perennial.CodeInternal, perennial.CodeOf(err))
	message, _, _ := perennial.Explain(err)
	require.NotContains(t, message, "hunter2")
	require.NoError(t, perennial.Wrap("x", nil))
}

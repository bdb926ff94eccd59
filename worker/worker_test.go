package worker_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/worker"
)

func TestMapErrorTellsTemporalWhatNotToTryAgain(t *testing.T) {
	t.Parallel()
	final := map[perennial.Code]bool{
		perennial.CodeInvalid: true, perennial.CodeMalformed: true, perennial.CodeTooLarge: true, perennial.CodePrecondition: true,
		perennial.CodeConflict: true, perennial.CodeNotFound: true, perennial.CodeForbidden: true, perennial.CodeUnauthorized: true,
		perennial.CodeUnsupportedMedia: true,
	}
	for _, code := range perennial.Codes() {
		t.Run(string(code), func(t *testing.T) {
			t.Parallel()
			require.Equal(t, !final[code], activities.Retryable(code))
			var app *temporal.ApplicationError
			require.ErrorAs(t, worker.MapError(perennial.Errorf(code, "op", "what is wrong").WithHint("how to mend it")), &app)
			require.Equal(t, string(code), app.Type())
			require.Equal(t, final[code], app.NonRetryable())
			var f perennial.Failure
			require.NoError(t, app.Details(&f))
			require.Equal(t, code, f.Code)
			require.Equal(t, "what is wrong", f.Message)
			require.Equal(t, "how to mend it", f.Hint)
		})
	}
}

func TestMapErrorTellsWhatAnotherWorkflowAnswered(t *testing.T) {
	t.Parallel()
	inner := worker.MapError(perennial.Errorf(perennial.CodePrecondition, "BeginRollout", "it was rolled back"))
	require.Equal(t, inner, worker.MapError(inner), "what is mapped stays")
	answered := &perennial.Error{Code: perennial.CodePrecondition, Op: "control.offer", Message: "it was rolled back", Err: inner}
	var app *temporal.ApplicationError
	require.ErrorAs(t, worker.MapError(perennial.Wrap("OfferVersion", answered)), &app)
	require.True(t, app.NonRetryable())
	require.Equal(t, "precondition", app.Type())
}

func TestMapErrorKeepsTheCauseForOperatorsOnly(t *testing.T) {
	t.Parallel()
	var app *temporal.ApplicationError
	require.ErrorAs(t, worker.MapError(perennial.Wrap("op", errors.New("disk 7 is full"))), &app)
	require.Contains(t, app.Message(), "disk 7 is full")
	var f perennial.Failure
	require.NoError(t, app.Details(&f))
	require.NotContains(t, f.Message, "disk 7")
	require.False(t, app.NonRetryable())
}

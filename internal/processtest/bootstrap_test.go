package processtest_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/client"
)

// What the gates rejected isn't trained again at every start, but where
// something has changed.
func TestUpDoesntTrainAgainWhatTheGatesRejected(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	file := filepath.Join(dir, "pipelines", "iris.yaml")
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	gates := regexp.MustCompile(`(?m)^gates:\n(  .*\n)*`)
	require.Regexp(t, gates, string(b))
	strict := gates.ReplaceAllString(string(b), "gates: [{metric: log_loss, vs: baseline, min_gain: 100}]\n")
	require.NoError(t, os.WriteFile(file, []byte(strict), 0o600))
	p := setup(t, dir)
	says := func(text string) {
		t.Helper()
		p.eventually(time.Minute, text, func(context.Context) bool { return strings.Contains(p.out.String(), text) })
	}
	says("trained, and rejected by its gates: perennial decision show gate-")
	says("version 1 in service: ridge, rmse 0.")
	p.stop()
	for range 2 {
		p.start()
		says("not trained again: data, sides and parameters are those of the last training, which ended rejected_by_gates; perennial train iris searches in full")
		runs, err := p.Runs(t.Context(), "iris", client.Page{})
		require.NoError(t, err)
		require.Len(t, trainings(runs.Items), 1)
		p.stop()
	}
	require.NoError(t, os.WriteFile(file, b, 0o600))
	p.start()
	says("version 1 in service: logistic_regression, log_loss 0.")
	p.stop()
}

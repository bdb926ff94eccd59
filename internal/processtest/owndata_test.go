package processtest_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A stranger's CSV in a directory that is no project yet: pipeline init, up. Then
// another one while that runs: pipeline init, pipeline apply, train, predict.
func TestOwnData(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mine")
	draft := func(file string, flags ...string) (name, data string, example json.RawMessage) {
		text, code := run(t, append([]string{"pipeline", "init", filepath.Join(messy(t), file), "--project", dir, "--json", "--api", "http://127.0.0.1:1"}, flags...)...)
		require.Zero(t, code, text)
		var done struct {
			Pipeline, Data string
			Example        json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(text), &done), text)
		return done.Pipeline, filepath.Join(dir, done.Data), done.Example
	}
	name, data, example := draft("semicolons-decimal-commas.csv", "--target", "Preis", "--name", "prices")
	p := setup(t, dir)
	require.InDelta(t, 15, p.served(name, string(example)).Prediction, 15)
	answersItsOwnFile(t, p, name, data)

	name, data, _ = draft("high-cardinality.csv", "--target", "rent", "--name", "rents")
	text, code := run(t, "pipeline", "apply", filepath.Join(dir, "pipelines", "rents.yaml"), "--project", dir, "--api", p.url)
	require.Zero(t, code, text)
	text, code = run(t, "train", name, "--wait", "--budget", "bootstrap", "--project", dir, "--api", p.url)
	require.Zero(t, code, text)
	require.NotContains(t, text, "dvc.lock", "it promises what the full budget gives")
	answersItsOwnFile(t, p, name, data)
	p.stop()
}

// answersItsOwnFile predicts every row of the file that a model was trained on.
func answersItsOwnFile(t *testing.T, p *process, name, data string) {
	t.Helper()
	answers := filepath.Join(t.TempDir(), "answers.csv")
	text, code := run(t, "predict", name, "--input", data, "--output", answers, "--strict", "--api", p.url)
	require.Zero(t, code, text)
	f, err := os.Open(answers)
	require.NoError(t, err)
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Greater(t, len(rows), 60, "a header and the rows")
}

// messy is where the CSV files of package infer lie.
func messy(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../infer/testdata/messy")
	require.NoError(t, err)
	return dir
}

package processtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/client"
)

// One broken file keeps nothing but its own changes from being in force.
func TestUpServesBesideABrokenPipelineFile(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	p := setup(t, dir)
	p.served("iris", irisFeatures)
	p.served("california-housing", housingFeatures)
	p.stop()

	file := filepath.Join(dir, "pipelines", "iris.yaml")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(whole), "\ntask: classification", "\ntask: classifications", 1)), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pipelines", "new.yaml"), []byte("name: new\ntask: [\n"), 0o600))
	p.start()
	p.served("iris", irisFeatures)
	p.served("california-housing", housingFeatures)
	said := p.out.String()
	require.Regexp(t, `(?m)^  iris +pipelines/iris\.yaml:\d+: task can't be "classifications"; did you mean classification\? It goes on as it was before\. Once mended: perennial pipeline apply pipelines/iris\.yaml$`, said)
	require.Regexp(t, `(?m)^  new +pipelines/new\.yaml:\d+: .*It isn't in force\. Once mended: perennial pipeline apply pipelines/new\.yaml$`, said)

	out, code := run(t, "status", "--api", p.url)
	require.Zero(t, code, out)
	require.Contains(t, out, "classifications")
	require.Contains(t, out, "iris goes on as it was before. Once mended: perennial pipeline apply pipelines/iris.yaml")
	require.Contains(t, out, "pipelines/new.yaml:")
	for _, command := range []string{"validate", "apply"} {
		out, code = run(t, "pipeline", command, file, "--project", dir, "--api", p.url)
		if command == "validate" {
			out, code = run(t, "pipeline", command, file, "--project", dir)
		}
		require.Equal(t, 1, code, out)
		require.Contains(t, out, "classifications")
	}
	list, err := p.Pipelines(t.Context())
	require.NoError(t, err)
	require.Len(t, list.Items, 2)
	require.NotNil(t, list.Items[1].Fault)
	schedules, err := p.Schedules(t.Context())
	require.NoError(t, err)
	for _, s := range schedules.Items {
		require.NotContains(t, s.Reason, "gone")
	}

	require.NoError(t, os.WriteFile(file, whole, 0o600))
	out, code = run(t, "pipeline", "apply", file, "--project", dir, "--api", p.url)
	require.Zero(t, code, out)
	status, err := p.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"pipelines/new.yaml"}, files(status.PipelineFaults))
	p.stop()
}

func files(faults []client.PipelineFault) (names []string) {
	for _, f := range faults {
		names = append(names, f.File)
	}
	return names
}

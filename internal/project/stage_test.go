package project_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/project"
)

const churnStage = `train-churn:
  cmd: perennial stage train churn
  deps:
    - data/raw/churn.csv
    - pipelines/churn.schema.yaml
  params:
    - pipelines/churn.yaml:
  outs:
    - models/trained/churn.model
  metrics:
    - reports/churn.json:
        cache: false
  plots:
    - reports/churn.csv:
        cache: false
        template: confusion
        x: actual
        y: predicted
`

func TestAddStage(t *testing.T) {
	t.Parallel()
	two := indent(churnStage, "  ")
	for name, c := range map[string]struct{ before, after string }{
		"no file":              {"", "stages:\n" + two},
		"an empty list":        {"# mine\nstages: {}\n", "# mine\nstages:\n" + two},
		"a stage":              {"stages:\n  a:\n    cmd: x   # mine\n", "stages:\n  a:\n    cmd: x   # mine\n" + two},
		"no last line end":     {"stages:\n  a: {cmd: x}", "stages:\n  a: {cmd: x}\n" + two},
		"four spaces":          {"vars: [v.yaml]\nstages:\n    a:\n        cmd: x\n", "vars: [v.yaml]\nstages:\n    a:\n        cmd: x\n" + indent(churnStage, "    ")},
		"the same stage":       {"stages:\n  train-churn:\n    cmd: mine\n", ""},
		"something below":      {"stages:\n  a:\n    cmd: x\nplots: []\n", ""},
		"all on one line":      {"stages: {a: {cmd: x}}\n", ""},
		"a list":               {"- stages\n", ""},
		"no YAML":              {"stages: [\n", ""},
		"stages aren't stages": {"stages: 5\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if c.before != "" {
				write(t, dir, "dvc.yaml", c.before)
			}
			write(t, dir, "models/trained/.gitignore", "/other.model")
			for range 2 { // the second time changes nothing
				added, err := project.AddStage(dir, project.Stage{
					Name: "churn", Data: "data/raw/churn.csv", PipelineFile: "pipelines/churn.yaml", SchemaFile: "pipelines/churn.schema.yaml", Classes: true,
				})
				require.NoError(t, err)
				files := list(t, dir)
				if c.after == "" {
					require.False(t, added)
					require.Equal(t, c.before, files["dvc.yaml"])
					continue
				}
				require.Equal(t, c.after, files["dvc.yaml"])
				require.Equal(t, "/other.model\n/churn.model\n", files["models/trained/.gitignore"])
			}
		})
	}
}

func indent(text, by string) string {
	out := ""
	for line := range strings.Lines(text) {
		out += by + line
	}
	return out
}

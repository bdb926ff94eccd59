// Package dvctest reads for tests what package dvc writes.
package dvctest

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/perennial-ml/perennial/internal/dvc"
)

// Stages gives the stages in a project's dvc.lock, by name.
func Stages(t testing.TB, dir string) (stages []dvc.Stage) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "dvc.lock")) //nolint:gosec // of a test's project
	require.NoError(t, err)
	var lock struct {
		Stages map[string]struct {
			Cmd    string                    `yaml:"cmd"`
			Deps   []dvc.Entry               `yaml:"deps"`
			Params map[string]map[string]any `yaml:"params"`
			Outs   []dvc.Entry               `yaml:"outs"`
		} `yaml:"stages"`
	}
	require.NoError(t, yaml.Unmarshal(b, &lock))
	for _, name := range slices.Sorted(maps.Keys(lock.Stages)) {
		s := lock.Stages[name]
		stage := dvc.Stage{Name: name, Cmd: s.Cmd, Deps: s.Deps, Outs: s.Outs}
		for _, path := range slices.Sorted(maps.Keys(s.Params)) {
			stage.Params = append(stage.Params, dvc.ParamsFile{Path: path, Values: s.Params[path]})
		}
		stages = append(stages, stage)
	}
	return stages
}

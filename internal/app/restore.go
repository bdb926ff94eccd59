package app

import (
	"context"
	"strings"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/internal/serve"
)

// restoreData restores the pipelines' missing data files. Where every pipeline
// has a version in service, data that can't be restored is only told of: nobody
// needs it to serve, and a training that does fails naming it.
func restoreData(ctx context.Context, repo *dvc.Repo, specs []*pipeline.Spec, traffic *serve.TrafficStore, screen *Screen) error {
	paths := make([]string, len(specs))
	for i, spec := range specs {
		paths[i] = spec.Pipeline.Data.Path
	}
	pulled, fault := repo.Restore(ctx, paths...)
	if len(pulled) > 0 {
		screen.Sayf("data", "restored %s", strings.Join(pulled, ", "))
	}
	if fault == nil {
		return nil
	}
	for _, spec := range specs {
		row, err := traffic.Get(ctx, spec.Pipeline.Name)
		if err != nil {
			return err
		}
		if row.Champion == "" {
			return fault
		}
	}
	message, hint, _ := perennial.Explain(fault)
	screen.Sayf("data", "%s. %s", message, hint)
	return nil
}

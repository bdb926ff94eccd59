package app

import (
	"cmp"
	"context"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// apply puts the project's pipelines in force and finds those that are in force
// and have no file any more. A broken file is told of and changes nothing: its
// pipeline goes on as it was. Where there are only broken ones and nothing is in
// force from before, there is nothing to run for, and the faults come back.
func (s *stores) apply(ctx context.Context, specs []*pipeline.Spec, broken []pipeline.Broken, screen *Screen) error {
	have, unnamed := map[string]bool{}, false
	for _, spec := range specs {
		have[spec.Pipeline.Name] = true
		if _, err := s.pipelines.Apply(ctx, spec, time.Now().UnixMilli()); err != nil {
			return err
		}
	}
	inForce, err := s.pipelines.List(ctx)
	if err != nil {
		return err
	}
	if len(inForce) == 0 && len(broken) > 0 {
		return pipeline.Faults(broken)
	}
	for _, b := range broken {
		have[b.Name], unnamed = true, unnamed || b.Name == ""
	}
	old := map[string]bool{}
	for _, spec := range inForce {
		old[spec.Pipeline.Name] = true
		if !have[spec.Pipeline.Name] && !unnamed { // a file whose name can't be read may be anybody's
			s.gone = append(s.gone, spec.Pipeline.Name)
		}
	}
	for _, b := range broken {
		message, _, fields := perennial.Explain(b.Err)
		s.broken = append(s.broken, client.PipelineFault{Pipeline: b.Name, File: b.File, Message: message, Errors: fields})
		goes := "It isn't in force."
		if old[b.Name] {
			goes = "It goes on as it was before."
		}
		screen.Sayf(cmp.Or(b.Name, "pipelines"), "%s %s Once mended: perennial pipeline apply %s", message, goes, b.File)
	}
	return nil
}

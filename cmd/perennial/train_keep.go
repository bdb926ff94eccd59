package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// keepResults writes a training's model and report into the project, as the
// stage in dvc.yaml promises, and the stage's entry in dvc.lock. It gives the
// files it wrote: none where dir is no project with this pipeline.
func (c *cli) keepResults(ctx context.Context, api *client.Client, dir, name, runID string) ([]string, error) {
	const op = "cli.keepResults"
	file := filepath.Join("pipelines", name+".yaml")
	for _, needed := range []string{".dvc", file} {
		if _, err := os.Stat(filepath.Join(dir, needed)); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	run, err := api.Run(ctx, runID)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if err := trainedHere(dir, file, &run); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	model, report := "models/trained/"+name+".model", "reports/"+name+".json"
	for target, artifact := range map[string]string{model: activities.ModelPath, report: activities.ReportPath} {
		content, err := api.Artifact(ctx, runID, artifact)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		if err := replaceFile(filepath.Join(dir, filepath.FromSlash(target)), content); err != nil {
			return nil, perennial.Wrap(op, err)
		}
	}
	kept := []string{model, report}
	if os.Getenv("DVC_STAGE") != "" {
		return kept, nil // dvc repro runs us, and writes the lock itself
	}
	written, err := c.lockStage(ctx, dir, name, model)
	if written {
		kept = append(kept, "dvc.lock")
	}
	return kept, perennial.Wrap(op, err)
}

// trainedHere refuses results of other data or of another pipeline than this
// project's: the server may run on another project, or the files may have
// changed since.
func trainedHere(dir, file string, run *client.RunView) error {
	spec, err := pipeline.Load(dir, file)
	if err != nil {
		return err
	}
	if trained := run.Params["pipeline_revision"]; trained != spec.Revision {
		return perennial.Errorf(perennial.CodePrecondition, "", "%s isn't the pipeline that was trained (revision %s here, %s there); nothing was written", file, short(spec.Revision), dash(short(trained))).
			WithHint("Train again with --apply, which puts the file in force first; does `perennial up` run on this project?")
	}
	path := spec.Pipeline.Data.Path
	sum, _, err := dvc.HashFile(filepath.Join(dir, filepath.FromSlash(path)))
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return perennial.Errorf(perennial.CodeNotFound, "", "it is trained, but %s isn't here to compare; no results were written into the project", path).
			WithHint("Restore it with: perennial data pull")
	}
	if err != nil {
		return err
	}
	trained := run.DataMD5
	for _, in := range run.Inputs {
		if in.Data.Path == path {
			trained = in.Data.BaseMD5
		}
	}
	if trained != sum {
		return perennial.Errorf(perennial.CodePrecondition, "", "%s isn't the data that was trained on (md5 %s here, %s there); nothing was written", path, short(sum), dash(short(trained))).
			WithHint("Did it change since, or does `perennial up` run on another project? Train again.")
	}
	return nil
}

// replaceFile writes a file so that it appears whole or not at all.
func replaceFile(file string, content []byte) error {
	const op = "cli.replaceFile"
	fault := func(err error) error {
		return perennial.Errorf(perennial.CodeUnavailable, op, "can't write %s", file).Because(err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a project is shared
		return fault(err)
	}
	temp, err := os.CreateTemp(filepath.Dir(file), ".perennial-*")
	if err != nil {
		return fault(err)
	}
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Chmod(0o644), temp.Close()); err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return fault(errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

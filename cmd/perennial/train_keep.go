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
func (c *cli) keepResults(ctx context.Context, api *client.Client, dir, name string, run *client.RunView) ([]string, error) {
	for _, needed := range []string{filepath.Join(dir, ".dvc"), ownPipeline(dir, name)} {
		if _, err := os.Stat(needed); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
	}
	if run.RunID == "" {
		return nil, perennial.Errorf(perennial.CodeNotFound, "", "%s was trained, and its run is deleted: no results were written into the project", name)
	}
	if run.Params["budget"] == string(perennial.BudgetBootstrap) {
		c.sayf("The project's files are left alone: they hold what the full budget gives, as dvc repro does. Train with it: perennial train %s --wait", name)
		return nil, nil
	}
	return c.keepRun(ctx, api, dir, name, run)
}

// keepRun writes the results of a run of the full budget.
func (c *cli) keepRun(ctx context.Context, api *client.Client, dir, name string, run *client.RunView) ([]string, error) {
	if err := trainedHere(dir, filepath.Join("pipelines", name+".yaml"), run); err != nil {
		return nil, err
	}
	var contents [3][]byte
	for i, artifact := range []string{activities.ModelPath, activities.ReportPath, activities.PredictionsPath} {
		content, err := api.Artifact(ctx, run.RunID, artifact)
		if perennial.CodeOf(err) == perennial.CodeNotFound {
			return nil, perennial.Errorf(perennial.CodeNotFound, "", "run %s has no %s", run.RunID, artifact).
				WithHint("An earlier version of Perennial made it: train again.").Because(err)
		}
		if err != nil {
			return nil, err
		}
		contents[i] = content
	}
	files := resultFiles(name, contents[0], contents[1], contents[2])
	if err := writeResults(dir, files); err != nil {
		return nil, err
	}
	kept := paths(files)
	if os.Getenv("DVC_STAGE") != "" {
		return kept, nil // dvc repro runs us, and writes the lock itself
	}
	written, err := c.lockStage(ctx, dir, name, files[0].path)
	if written {
		kept = append(kept, "dvc.lock")
	}
	return kept, err
}

// resultFile is one file that a training gives a project.
type resultFile struct {
	path    string // relative to the project, with slashes
	content []byte
}

// resultFiles gives a training's files their places, which are those of the
// stage in dvc.yaml. The model is the first.
func resultFiles(name string, model, report, predictions []byte) []resultFile {
	return []resultFile{{"models/trained/" + name + ".model", model}, {"reports/" + name + ".json", report}, {"reports/" + name + ".csv", predictions}}
}

func writeResults(dir string, files []resultFile) error {
	for _, f := range files {
		if err := replaceFile(filepath.Join(dir, filepath.FromSlash(f.path)), f.content); err != nil {
			return err
		}
	}
	return nil
}

func paths(files []resultFile) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.path)
	}
	return out
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

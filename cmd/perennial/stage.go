package main

import (
	"context"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/app"
	"github.com/perennial-ml/perennial/internal/config"
)

// stageTrain is the one stage of a pipeline that dvc.yaml calls.
const stageTrain = "train"

func (c *cli) newStage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stage NAME PIPELINE",
		Short: "Run one stage of dvc.yaml: stage train PIPELINE",
		Long: `Run one stage as dvc.yaml calls it. There is one, train: the steps of a training with its full budget, in this
process and without a server, by the same code as ` + "`perennial train`" + `. It reads the project as it is and writes
models/trained/PIPELINE.model, reports/PIPELINE.json and reports/PIPELINE.csv; it registers nothing and puts nothing
into service. A model that the pipeline's gates reject fails the stage, and nothing is written.`,
		Example: "  perennial stage train iris\n  dvc repro train-iris",
		Args:    cobra.ExactArgs(2),
	}
	dir := projectFlag(cmd, dvcDir, pipelinesDir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if args[0] != stageTrain {
			return usageError{"there is no stage " + args[0] + ": there is " + stageTrain}
		}
		if !perennial.ValidName(args[1]) {
			return usageError{args[1] + " is no name of a pipeline"}
		}
		settings, err := config.Load(map[string]string{"project": *dir}, os.Environ())
		if err != nil {
			return err
		}
		if os.Getenv(config.Env+"TRAIN_THREADS") == "" {
			settings.TrainThreads = runtime.NumCPU() // nothing is served beside it
		}
		return c.runStage(cmd.Context(), settings, args[1])
	}
	return cmd
}

func (c *cli) runStage(ctx context.Context, settings *config.Config, name string) error {
	out, err := app.Stage(ctx, app.StageOptions{Config: settings, Build: build, Pipeline: name, Progress: func(step string, done, total int) {
		switch {
		case total == 0:
			c.sayf("%s", step)
		case done%8 == 0 || done == total:
			c.sayf("%s %d of %d", step, done, total)
		}
	}})
	if err != nil {
		return err
	}
	if !out.Decision.Passed {
		return perennial.Errorf(perennial.CodePrecondition, "", "%s was trained, and its gates rejected it: %s", name, out.Decision.Reason).
			WithHint("Nothing was written. Look at gates in pipelines/%s.yaml.", name)
	}
	files := resultFiles(name, out.Model, out.Report, out.Predictions)
	if err := writeResults(settings.Project, files); err != nil {
		return err
	}
	return c.print(map[string]any{"pipeline": name, "wrote": paths(files)}, func(w io.Writer) {
		field(w, "pipeline", name)
		for _, f := range files {
			field(w, "wrote", f.path)
		}
	})
}

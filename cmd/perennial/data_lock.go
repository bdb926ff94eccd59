package main

import (
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newDataLock() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lock RUN",
		Short: "Put a run's results into the project and into dvc.lock",
		Long: `Put a run's results into the project, as ` + "`perennial train --wait`" + ` does at its end and ` + "`dvc repro`" + ` would: its model in
models/trained/, its report and predictions in reports/, and the entry of the stage in dvc.lock. dvc status is clean
afterwards. For a training that was started elsewhere: a worker writes nothing into a project.

A run of other data or of another pipeline than the project's is refused, and nothing is written.`,
		Example: "  perennial data lock 01a207bc243d76148769dcda09ff6d7b",
		Args:    cobra.ExactArgs(1),
	}
	dir := projectFlag(cmd, dvcDir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		run, err := api.Run(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := lockable(*dir, &run); err != nil {
			return err
		}
		name := run.Pipeline
		kept, err := c.keepRun(cmd.Context(), api, *dir, name, &run)
		if err != nil {
			return err
		}
		return c.print(map[string]any{"pipeline": name, "run": run.RunID, "wrote": kept}, func(w io.Writer) {
			field(w, "pipeline", name)
			for _, file := range kept {
				field(w, "wrote", file)
			}
		})
	}
	return cmd
}

// lockable refuses runs that dvc repro would not make, and directories that are
// no project with the run's pipeline.
func lockable(dir string, run *client.RunView) error {
	refuse := func(why string) *perennial.Error {
		return perennial.Errorf(perennial.CodePrecondition, "", "run %s can't be locked: %s", run.RunID, why)
	}
	switch {
	case run.Kind != "train" || run.Pipeline == "":
		return refuse("it is no training")
	case run.Status != perennial.RunFinished || run.Outcome != string(perennial.OutcomeTrained):
		return refuse("it has no accepted model").WithHint("perennial run show %s says what became of it.", run.RunID)
	case run.Params["budget"] == string(perennial.BudgetBootstrap):
		return refuse("the bootstrap budget isn't what dvc repro runs").WithHint("Train with the full one: perennial train %s --wait", run.Pipeline)
	}
	for _, needed := range []string{".dvc", filepath.Join("pipelines", run.Pipeline+".yaml")} {
		if _, err := os.Stat(filepath.Join(dir, needed)); err != nil {
			return perennial.Errorf(perennial.CodePrecondition, "", "%s is no project of %s: it has no %s", dir, run.Pipeline, filepath.ToSlash(needed)).
				WithHint("Run this in the project, or name it with --project.")
		}
	}
	return nil
}

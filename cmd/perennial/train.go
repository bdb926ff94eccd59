package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newTrain() *cobra.Command {
	var wait, apply bool
	var budget, reason string
	cmd := &cobra.Command{
		Use:   "train PIPELINE",
		Short: "Train a pipeline, or join the training that runs",
		Long: `Train a pipeline, or join the training that runs. The winner is registered as a new version, and put into
service only where nothing is. A pipeline that isn't in force yet is put in force from the project's
pipelines/PIPELINE.yaml; with --apply a changed one is too.

With --wait the command follows the training to its end. Ctrl-C then detaches and leaves it running. In a project
with .dvc/ and the pipeline's file it also writes models/trained/PIPELINE.model, reports/PIPELINE.json and the stage's
entry in dvc.lock.`,
		Example: "  perennial train iris --wait\n  perennial train iris --budget bootstrap --reason 'first look'",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "follow the training to its end")
	cmd.Flags().StringVar(&budget, "budget", string(perennial.BudgetFull), "how much searching: bootstrap or full")
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the run")
	cmd.Flags().BoolVar(&apply, "apply", false, "put the project's pipelines/PIPELINE.yaml in force first")
	dir := projectFlag(cmd, dvcDir, pipelinesDir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if budget != string(perennial.BudgetFull) && budget != string(perennial.BudgetBootstrap) {
			return usageError{"--budget is bootstrap or full, not " + budget}
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		if apply {
			if err := c.applyOwn(cmd.Context(), *dir, args[0], reason); err != nil {
				return err
			}
		}
		started, err := c.startTraining(cmd.Context(), api, *dir, args[0], client.TrainRequest{Budget: perennial.Budget(budget), Reason: reason})
		if err != nil {
			return err
		}
		if !started.Started {
			c.sayf("%s is training already; this joins it.", args[0])
		}
		if !wait {
			return c.printStarted(started)
		}
		return c.waitForTraining(cmd.Context(), api, *dir, args[0], started)
	}
	return cmd
}

// startTraining starts a training. A pipeline that the API doesn't know is put in
// force from the project first, where the project has its file.
func (c *cli) startTraining(ctx context.Context, api *client.Client, dir, name string, req client.TrainRequest) (client.TrainResponse, error) {
	started, err := api.Train(ctx, name, req)
	if perennial.CodeOf(err) != perennial.CodeNotFound || !perennial.ValidName(name) {
		return started, err
	}
	if _, missing := os.Stat(ownPipeline(dir, name)); missing != nil {
		return started, err
	}
	if err := c.applyOwn(ctx, dir, name, req.Reason); err != nil {
		return started, err
	}
	return api.Train(ctx, name, req)
}

// ownPipeline is the place of a pipeline's file in a project.
func ownPipeline(dir, name string) string { return filepath.Join(dir, "pipelines", name+".yaml") }

// applyOwn puts the project's file of a pipeline in force.
func (c *cli) applyOwn(ctx context.Context, dir, name, reason string) error {
	file := ownPipeline(dir, name)
	out, err := c.applyFile(ctx, dir, file, reason)
	if err == nil && out.Changed {
		c.sayf("%s is in force now, revision %s.", file, short(out.Revision))
	}
	return err
}

// waitForTraining follows a training and says how it came out.
func (c *cli) waitForTraining(ctx context.Context, api *client.Client, dir, name string, started client.TrainResponse) error {
	view, err := c.follow(ctx, api, started.WorkflowID, started.WorkflowRunID)
	if err != nil {
		return err
	}
	return c.printTraining(ctx, api, dir, name, view)
}

// printTraining says how a training or retraining came out, and keeps its
// results in the project where it trained something.
func (c *cli) printTraining(ctx context.Context, api *client.Client, dir, name string, view client.WorkflowView) error {
	if view.State != perennial.WorkflowCompleted || view.Result == nil {
		return failure(view)
	}
	if view.Result.Outcome.Ended() {
		return c.print(view, func(w io.Writer) {
			field(w, "pipeline", name)
			field(w, "outcome", view.Result.Outcome)
			field(w, "reason", view.Result.Reason)
			field(w, "version", view.Result.Version)
		})
	}
	run, err := api.Run(ctx, view.Result.RunID)
	if err != nil && perennial.CodeOf(err) != perennial.CodeNotFound { // it may be deleted meanwhile
		return err
	}
	if cut := run.Tags[perennial.TagTruncated]; cut != "" {
		c.sayf("The search was cut by its time limit: %s. A longer tuning.max_time may find a better model.", cut)
	}
	if view.Result.Outcome == perennial.OutcomeRejectedByGates {
		why := ""
		if d, err := api.Decision(ctx, view.Result.DecisionID); err == nil {
			why = ": " + d.Reason
		}
		return perennial.Errorf(perennial.CodePrecondition, "", "%s was trained, and its gates rejected it (%s)%s", name, view.Result.Outcome, why).
			WithHint("See why with: perennial decision show %s", view.Result.DecisionID)
	}
	kept, err := c.keepResults(ctx, api, dir, name, &run)
	if err != nil {
		return err
	}
	return c.print(view, func(w io.Writer) {
		field(w, "pipeline", name)
		if view.Result.Outcome != perennial.OutcomeTrained {
			field(w, "outcome", view.Result.Outcome)
		}
		field(w, "reason", view.Result.Reason)
		field(w, "version", view.Result.Version)
		field(w, "run", view.Result.RunID)
		field(w, "decision", view.Result.DecisionID)
		field(w, "took", took(view))
		for _, file := range kept {
			field(w, "wrote", file)
		}
		if view.Result.Outcome == perennial.OutcomeOffered {
			field(w, "follow", "perennial rollout status "+name)
		}
	})
}

package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newRetrain() *cobra.Command {
	var wait bool
	var req client.RetrainRequest
	cmd := &cobra.Command{
		Use:   "retrain PIPELINE",
		Short: "Train a pipeline where there is a reason to, and roll out what comes out of it",
		Long: `Train a pipeline with its full search and hand the version that comes out of it to the rollout. Where data,
sides and parameters are those of the version in service or of the last training, nothing is trained (unchanged)
unless --force is given. Where a training of the pipeline runs already, this one ends and names it.

With --wait the command follows the retraining to its end. Ctrl-C then detaches and leaves it running. In a project
with .dvc/ and the pipeline's file it also writes models/trained/PIPELINE.model, reports/PIPELINE.json and the stage's
entry in dvc.lock.`,
		Example: "  perennial retrain iris --wait --reason 'new prices'\n  perennial retrain iris --dry-run",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "follow the retraining to its end")
	cmd.Flags().BoolVar(&req.Force, "force", false, "train although nothing has changed")
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "say what would be done, and do nothing")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; kept with the workflow")
	cmd.Flags().StringVar(&req.IdempotencyKey, "key", "", "the same request with the same key starts one workflow")
	dir := projectFlag(cmd, dvcDir, pipelinesDir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		req.Pipeline = args[0]
		started, err := api.Retrain(cmd.Context(), req)
		if err != nil {
			return err
		}
		if !started.Started {
			c.sayf("This request came before: it led to %s.", started.WorkflowID)
		}
		if !wait && !req.DryRun { // what a dry run finds is all there is to it
			return c.printStarted(started)
		}
		return c.waitForRetraining(cmd.Context(), api, *dir, args[0], started)
	}
	return cmd
}

// printStarted tells how to follow what was started.
func (c *cli) printStarted(started client.TrainResponse) error {
	return c.print(started, func(w io.Writer) {
		field(w, "workflow", started.WorkflowID)
		field(w, "follow", "perennial workflow show "+started.WorkflowID)
		field(w, "Web UI", started.UIURL)
	})
}

// waitForRetraining follows a retraining, and the training that it found running
// where there was one, and says how it came out.
func (c *cli) waitForRetraining(ctx context.Context, api *client.Client, dir, name string, started client.TrainResponse) error {
	view, err := c.follow(ctx, api, started.WorkflowID, started.WorkflowRunID)
	if err != nil {
		return err
	}
	if r := view.Result; r != nil && r.Outcome == perennial.OutcomeAlreadyRunning {
		c.sayf("%s is running already; this joins it.", r.WorkflowID)
		return c.waitForTraining(ctx, api, dir, name, client.TrainResponse{WorkflowID: r.WorkflowID})
	}
	return c.printTraining(ctx, api, dir, name, view)
}

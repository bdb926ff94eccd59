package main

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newReproduce() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "reproduce RUN",
		Short: "Train a run's model once more and say whether the same file comes out",
		Long: `Train a run's model once more, from the run's own data, parameters, seed and list of trials, and say same, or what
differs first: data, parameters, trainer, platform, or else the model's bytes and in which section of the file. The
search isn't run again: its stored results must lead to the same trials and the same choice, and the chosen trial is
fitted again on all training rows. Nothing is registered.

The exit code is 0 for same and 1 for everything else. It follows to the end; Ctrl-C detaches and leaves it running.`,
		Example: "  perennial reproduce 01a207bc243d76148769dcda09ff6d7b",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept in the audit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		started, err := api.Reproduce(cmd.Context(), args[0], client.ReasonRequest{Reason: reason})
		if err != nil {
			return err
		}
		view, err := c.follow(cmd.Context(), api, started.WorkflowID, started.WorkflowRunID)
		if err != nil {
			return err
		}
		if view.State != perennial.WorkflowCompleted || view.Result == nil {
			return failure(view)
		}
		err = c.print(view, func(w io.Writer) {
			field(w, "run", view.Result.RunID)
			field(w, "outcome", view.Result.Outcome)
			field(w, "differs", view.Result.Differs)
			field(w, "reason", view.Result.Reason)
			field(w, "took", took(view))
		})
		if err != nil || view.Result.Outcome == perennial.OutcomeSame {
			return err
		}
		return errTold
	}
	return cmd
}

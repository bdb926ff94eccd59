package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newWorkflow() *cobra.Command {
	return group("workflow", "List, show and cancel workflows", c.newWorkflowList(), c.newWorkflowShow(), c.newWorkflowCancel())
}

func (c *cli) newWorkflowList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "list [PIPELINE]",
		Short:   "List workflows, newest first",
		Example: "  perennial workflow list iris",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			pipeline := ""
			if len(args) == 1 {
				pipeline = args[0]
			}
			list, err := api.Workflows(cmd.Context(), pipeline, limit)
			if err != nil {
				return err
			}
			if pipeline != "" && len(list.Items) == 0 { // none yet, or no such pipeline
				if _, err := api.Pipeline(cmd.Context(), pipeline); err != nil {
					return err
				}
			}
			return c.print(list, func(w io.Writer) { workflowTable(w, list.Items) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many workflows")
	return cmd
}

func (c *cli) newWorkflowShow() *cobra.Command {
	var runID string
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show where a workflow stands",
		Example: "  perennial workflow show train:iris",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			v, err := api.Workflow(cmd.Context(), args[0], runID)
			if err != nil {
				return err
			}
			return c.print(v, func(w io.Writer) { showWorkflow(w, v) })
		},
	}
	cmd.Flags().StringVar(&runID, "run", "", "Temporal's run id; the latest run without")
	return cmd
}

func (c *cli) newWorkflowCancel() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "cancel ID",
		Short:   "Ask a running workflow to stop",
		Example: "  perennial workflow cancel train:iris --reason 'wrong data'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			v, err := api.CancelWorkflow(cmd.Context(), args[0], reason)
			if err != nil {
				return err
			}
			return c.print(v, func(w io.Writer) {
				row(w, "Asked "+v.WorkflowID+" to stop. Follow it with: perennial workflow show "+v.WorkflowID)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the workflow")
	return cmd
}

func workflowTable(w io.Writer, list []client.WorkflowView) {
	row(w, "WORKFLOW", "STATE", "STAGE", "PROGRESS", "OUTCOME", "STARTED BY", "STARTED", "TOOK")
	for _, v := range list {
		outcome := "-"
		if v.Result != nil {
			outcome = string(v.Result.Outcome)
		} else if v.Error != nil && v.State == perennial.WorkflowFailed {
			outcome = string(v.Error.Code)
		}
		done := "-"
		if p := v.Progress; p != nil && p.Total > 0 {
			done = fmt.Sprintf("%d/%d %s", p.Done, p.Total, p.Unit)
		}
		row(w, v.WorkflowID, v.State, dash(v.Stage), done, outcome, dash(v.StartedBy), when(v.StartedAt), took(v))
	}
}

func showWorkflow(w io.Writer, v client.WorkflowView) {
	field(w, "workflow", v.WorkflowID)
	field(w, "run", v.WorkflowRunID)
	field(w, "type", v.Type)
	field(w, "pipeline", v.Pipeline)
	field(w, "state", v.State)
	field(w, "started by", v.StartedBy)
	field(w, "reason", v.Reason)
	field(w, "started", when(v.StartedAt))
	field(w, "took", took(v))
	field(w, "progress", progressText(v.Progress))
	if r := v.Result; r != nil {
		field(w, "outcome", r.Outcome)
		field(w, "because", r.Reason)
		field(w, "training", r.WorkflowID)
		field(w, "tracked run", r.RunID)
		field(w, "version", r.Version)
		field(w, "decision", r.DecisionID)
	}
	if r := v.Retrying; r != nil {
		field(w, "waiting", fmt.Sprintf("%s (%s); next try: %s", r.Message, r.Code, whenMaybe(r.NextAt)))
		field(w, "hint", r.Hint)
	}
	if e := v.Error; e != nil {
		field(w, "error", fmt.Sprintf("%s (%s)", e.Message, e.Code))
		for _, f := range e.Errors {
			row(w, "", place(f)+f.Message)
		}
		field(w, "hint", e.Hint)
	}
	field(w, "Web UI", v.UIURL)
	if len(v.Stages) == 0 {
		return
	}
	row(w)
	row(w, "STAGE", "STATE", "SECONDS")
	for _, s := range v.Stages {
		state := string(s.State)
		if s.Reused {
			state += " (reused)"
		}
		seconds := "-"
		if s.State != perennial.StagePending {
			seconds = fmt.Sprintf("%.1f", s.Seconds)
		}
		row(w, s.Name, state, seconds)
	}
}

// progressText shows how far a stage is, "" where there is nothing to count.
func progressText(p *client.Progress) string {
	if p == nil || p.Total == 0 {
		return ""
	}
	text := fmt.Sprintf("%d/%d %s", p.Done, p.Total, p.Unit)
	if p.Best != nil {
		text += fmt.Sprintf(", best %s %s", p.Best.Metric, number(&p.Best.Value))
	}
	if p.ETASeconds != nil {
		text += ", about " + (time.Duration(*p.ETASeconds) * time.Second).String() + " left"
	}
	return text
}

// took is how long a workflow ran, "-" while it runs.
func took(v client.WorkflowView) string {
	if v.EndedAt == nil {
		return "-"
	}
	return v.EndedAt.Sub(v.StartedAt).Round(100 * time.Millisecond).String()
}

// failure is the error of a workflow that did not complete.
func failure(v client.WorkflowView) error {
	if e := v.Error; e != nil {
		err := perennial.Errorf(e.Code, "", "%s: %s", v.WorkflowID, e.Message)
		err.Hint, err.Fields = cmp.Or(e.Hint, "Look at it with: perennial workflow show "+v.WorkflowID), e.Errors
		return err
	}
	return perennial.Errorf(perennial.CodePrecondition, "", "%s is %s", v.WorkflowID, v.State).
		WithHint("Look at it with: perennial workflow show %s", v.WorkflowID)
}

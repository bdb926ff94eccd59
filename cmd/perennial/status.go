package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newStatus() *cobra.Command {
	return &cobra.Command{
		Use:     "status [MODEL]",
		Short:   "Show the running Perennial at a glance, or one model",
		Example: "  perennial status\n  perennial status iris",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return c.modelStatus(cmd.Context(), api, args[0])
			}
			s, err := api.Status(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(s, func(w io.Writer) { showStatus(w, api.URL(), s) })
		},
	}
}

func showStatus(w io.Writer, url string, s client.StatusView) {
	state := "ready"
	if !s.Ready {
		state = "not ready: a model in service isn't loaded"
	}
	field(w, "API", fmt.Sprintf("%s (%s, since %s)", url, s.Version, when(s.StartedAt)))
	field(w, "state", state)
	for _, d := range s.Degraded {
		field(w, "degraded", d.Part+": "+d.Message)
	}
	for _, f := range s.PipelineFaults {
		field(w, "not in force", faultLine(f))
	}
	for _, m := range s.Models {
		if m.Alias != nil {
			field(w, "alias", m.Model+"@"+m.Alias.Alias+" "+moveText(m.Alias))
		}
	}
	field(w, "Temporal Web UI", s.UIURL)
	row(w)
	row(w, "MODEL", "MODE", "CHAMPION", "CHALLENGER", "WEIGHT", "CHANGED")
	listed := map[string]bool{}
	for _, m := range s.Models {
		listed[m.Model] = true
		row(w, m.Model, m.Mode, dash(m.Champion), dash(m.Challenger), percent(m.Weight), whenMaybe(m.ChangedAt))
	}
	for _, p := range s.Pipelines {
		if !listed[p] {
			row(w, p, "none", "-", "-", "-", "-")
		}
	}
	if len(s.Workflows) > 0 {
		row(w)
		workflowTable(w, s.Workflows)
	}
}

// faultLine says what is wrong with a pipeline file, what goes on nevertheless
// and how to mend it.
func faultLine(f client.PipelineFault) string {
	goes := ""
	if f.InForce {
		goes = " " + f.Pipeline + " goes on as it was before."
	}
	return fmt.Sprintf("%s%s Once mended: perennial pipeline apply %s", f.Message, goes, f.File)
}

// modelStatus shows one model with its latest training. A pipeline without a
// model yet is shown by its training alone.
func (c *cli) modelStatus(ctx context.Context, api *client.Client, name string) error {
	work, err := api.Workflows(ctx, name, 1)
	if err != nil {
		return err
	}
	out := struct {
		Model     *client.ModelView     `json:"model"`
		Workflows []client.WorkflowView `json:"workflows"`
	}{Workflows: work.Items}
	m, err := api.Model(ctx, name)
	switch {
	case err == nil:
		out.Model = &m
	case perennial.CodeOf(err) != perennial.CodeNotFound || len(work.Items) == 0:
		return err
	}
	return c.print(out, func(w io.Writer) {
		field(w, "model", name)
		if out.Model == nil {
			field(w, "mode", "none (no version yet)")
		} else {
			field(w, "mode", m.Traffic.Mode)
			field(w, "champion", m.Traffic.Champion)
			field(w, "challenger", m.Traffic.Challenger)
			field(w, "epoch", m.Traffic.Epoch)
			field(w, "reason", m.Traffic.Reason)
			field(w, "changed", whenMaybe(m.Traffic.ChangedAt))
			field(w, "aliases", pairs(m.Aliases, same))
			if a := m.Traffic.Alias; a != nil {
				field(w, "alias "+a.Alias, moveText(a))
			}
		}
		if len(out.Workflows) > 0 {
			row(w)
			workflowTable(w, out.Workflows)
		}
	})
}

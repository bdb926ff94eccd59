package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newSchedule() *cobra.Command {
	yes, no := true, false
	return group(
		"schedule", "List and change the schedules that retrain pipelines",
		c.newScheduleList(), c.newScheduleSet(),
		c.newScheduleChange("pause", "Pause a pipeline's schedule", client.ScheduleRequest{Paused: &yes}),
		c.newScheduleChange("resume", "Resume a paused schedule", client.ScheduleRequest{Paused: &no}),
		c.newScheduleRemove(),
		c.newScheduleChange("reset", "Bring a schedule back to what the pipeline file says", client.ScheduleRequest{Reset: true}),
	)
}

func (c *cli) newScheduleList() *cobra.Command {
	return &cobra.Command{
		Use:     "list [PIPELINE]",
		Short:   "List the schedules of all pipelines, or show one",
		Example: "  perennial schedule list",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				v, err := api.Schedule(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return c.printSchedule(v)
			}
			list, err := api.Schedules(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				row(w, "PIPELINE", "STATE", "CRON", "TIME ZONE", "FROM", "NEXT", "LAST")
				for _, v := range list.Items {
					row(w, v.Pipeline, v.State, dash(v.Cron), dash(v.Timezone), dash(v.Source), dash(nextStart(v)), dash(lastStart(v)))
				}
			})
		},
	}
}

func (c *cli) newScheduleSet() *cobra.Command {
	var req client.ScheduleRequest
	cmd := &cobra.Command{
		Use:   "set PIPELINE",
		Short: "Set a pipeline's schedule until its file changes",
		Long: `Set a pipeline's schedule. The change stays until the pipeline's file changes; perennial schedule reset brings the
file's schedule back before that.`,
		Example: "  perennial schedule set iris --cron '0 3 * * *' --timezone Europe/Vienna --reason 'new prices at 2'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.Cron == "" && req.Timezone == "" && req.Jitter == "" {
				return usageError{"give --cron, --timezone or --jitter"}
			}
			return c.setSchedule(cmd, args[0], req)
		},
	}
	cmd.Flags().StringVar(&req.Cron, "cron", "", "five cron fields, or a shorthand like @daily or '@every 6h'")
	cmd.Flags().StringVar(&req.Timezone, "timezone", "", "of the cron fields, as UTC or Europe/Vienna")
	cmd.Flags().StringVar(&req.Jitter, "jitter", "", "put each start off by a random time up to this, as 30s")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why; kept with the schedule")
	return cmd
}

// newScheduleChange is a command that asks for one fixed change.
func (c *cli) newScheduleChange(verb, short string, req client.ScheduleRequest) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     verb + " PIPELINE",
		Short:   short,
		Example: "  perennial schedule " + verb + " iris",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Reason = reason
			return c.setSchedule(cmd, args[0], req)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the schedule")
	return cmd
}

func (c *cli) setSchedule(cmd *cobra.Command, pipeline string, req client.ScheduleRequest) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	v, err := api.SetSchedule(cmd.Context(), pipeline, req)
	if err != nil {
		return err
	}
	return c.printSchedule(v)
}

func (c *cli) newScheduleRemove() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "remove PIPELINE",
		Short:   "Remove a pipeline's schedule until its file changes",
		Example: "  perennial schedule remove iris --reason 'retrained by hand'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			v, err := api.RemoveSchedule(cmd.Context(), args[0], reason)
			if err != nil {
				return err
			}
			return c.printSchedule(v)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why; kept with the schedule")
	return cmd
}

func (c *cli) printSchedule(v client.ScheduleView) error {
	return c.print(v, func(w io.Writer) {
		field(w, "pipeline", v.Pipeline)
		field(w, "schedule", v.ScheduleID)
		field(w, "state", v.State)
		field(w, "cron", v.Cron)
		field(w, "time zone", v.Timezone)
		field(w, "jitter", v.Jitter)
		field(w, "from", v.Source)
		field(w, "the file says", strings.TrimSpace(dash(v.File.Cron)+" "+v.File.Timezone))
		field(w, "changed by", v.ChangedBy)
		field(w, "reason", v.Reason)
		field(w, "next", nextStart(v))
		field(w, "last", lastStart(v))
		for _, id := range v.Running {
			field(w, "running", id)
		}
	})
}

func nextStart(v client.ScheduleView) string {
	if len(v.Next) == 0 || v.State != "active" {
		return ""
	}
	return when(v.Next[0])
}

func lastStart(v client.ScheduleView) string {
	if v.Last == nil {
		return ""
	}
	return when(v.Last.At) + " " + v.Last.WorkflowID
}

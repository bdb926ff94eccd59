package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newRollout() *cobra.Command {
	return group("rollout", "Roll a version out, step by step",
		c.rolloutStart(), c.rolloutStatus(),
		c.rolloutCommand("pause", "Hold the rollout where it is", "  perennial rollout pause iris --reason 'release freeze'"),
		c.rolloutCommand("resume", "Let a held rollout go on", "  perennial rollout resume iris"),
		c.rolloutCommand("promote", "Make the challenger the champion now; in watch, end the watch", "  perennial rollout promote iris --reason 'looks good'"),
		c.rolloutCommand("abort", "Send everything back to the version that was good before", "  perennial rollout abort iris --reason 'wrong prices'"))
}

// changeFlags are on what changes traffic.
func changeFlags(cmd *cobra.Command, reason *string, epoch *int64) {
	cmd.Flags().StringVar(reason, "reason", "", "why; kept in the history")
	cmd.Flags().Int64Var(epoch, "if-epoch", 0, "only while the traffic row has this epoch")
}

func (c *cli) rolloutStart() *cobra.Command {
	var req client.RolloutRequest
	cmd := &cobra.Command{
		Use: "start MODEL VERSION", Short: "Roll a registered version out", Args: cobra.ExactArgs(2),
		Example: "  perennial rollout start iris 2 --reason 'new prices'",
	}
	changeFlags(cmd, &req.Reason, &req.IfEpoch)
	cmd.Flags().BoolVar(&req.Force, "force", false, "roll out even a model file that was rolled back before")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		req.Version = args[1]
		out, err := api.StartRollout(cmd.Context(), args[0], req)
		if err != nil {
			return err
		}
		refused := out.Outcome == perennial.OutcomeIncompatibleSchema
		err = c.print(out, func(w io.Writer) {
			field(w, "outcome", out.Outcome)
			field(w, "reason", out.Reason)
			if refused {
				return
			}
			field(w, "workflow", out.WorkflowID)
			field(w, "follow", "perennial rollout status "+args[0])
		})
		if err == nil && refused {
			err = errTold
		}
		return err
	}
	return cmd
}

func (c *cli) rolloutStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status MODEL", Short: "Show how a rollout stands, or how the last one ended", Args: cobra.ExactArgs(1),
		Example: "  perennial rollout status iris",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			v, err := api.Rollout(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(v, func(w io.Writer) { showRollout(w, v) })
		},
	}
}

func (c *cli) rolloutCommand(name, short, example string) *cobra.Command {
	var req client.RolloutCommand
	cmd := &cobra.Command{Use: name + " MODEL", Short: short, Args: cobra.ExactArgs(1), Example: example}
	changeFlags(cmd, &req.Reason, &req.IfEpoch)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		v, err := api.CommandRollout(cmd.Context(), args[0], name, req)
		if err != nil {
			return err
		}
		return c.print(v, func(w io.Writer) { showRollout(w, v) })
	}
	return cmd
}

func (c *cli) newRollback() *cobra.Command {
	var req client.RollbackRequest
	cmd := &cobra.Command{
		Use: "rollback MODEL", Short: "Send everything to the version that was good before, at once", Args: cobra.ExactArgs(1),
		Long: `Send everything to the version that was good before, or with --to to another, at once. It writes the traffic row
itself and works without Temporal; a running rollout ends. No freeze forbids it.`,
		Example: "  perennial rollback iris --reason 'complaints'\n  perennial rollback iris --to 3 --freeze 24h",
	}
	changeFlags(cmd, &req.Reason, &req.IfEpoch)
	cmd.Flags().StringVar(&req.To, "to", "", "version to go back to")
	cmd.Flags().StringVar(&req.Freeze, "freeze", "", "no retrain and no promotion for so long, as 24h")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		v, err := api.Rollback(cmd.Context(), args[0], req)
		if err != nil {
			return err
		}
		return c.print(v, func(w io.Writer) { showRollout(w, v) })
	}
	return cmd
}

func (c *cli) newFreeze() *cobra.Command {
	var req client.FreezeRequest
	cmd := &cobra.Command{
		Use: "freeze [MODEL] --for DURATION", Short: "Stop retrains and promotions for a while, never a rollback", Args: cobra.MaximumNArgs(1),
		Example: "  perennial freeze iris --for 24h --reason 'release week'\n  perennial freeze --for 1h",
	}
	cmd.Flags().StringVar(&req.For, "for", "", "how long, as 24h")
	cmd.Flags().StringVar(&req.Reason, "reason", "", "why")
	_ = cmd.MarkFlagRequired("for") // the flag is there
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.client()
		if err != nil {
			return err
		}
		if len(args) == 1 {
			req.Model = args[0]
		}
		f, err := api.Freeze(cmd.Context(), req)
		if err != nil {
			return err
		}
		return c.print(f, func(w io.Writer) { showFreeze(w, &f) })
	}
	return cmd
}

func (c *cli) newUnfreeze() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "unfreeze [MODEL]", Short: "Lift a freeze", Args: cobra.MaximumNArgs(1),
		Example: "  perennial unfreeze iris --reason 'the release is out'",
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			model := ""
			if len(args) == 1 {
				model = args[0]
			}
			lifted, err := api.Unfreeze(cmd.Context(), model, reason)
			if err != nil {
				return err
			}
			return c.print(lifted, func(w io.Writer) {
				field(w, "unfrozen", cmp.Or(lifted.Model, everyModel))
				if lifted.Frozen != nil {
					field(w, "still frozen", freezeLine(lifted.Frozen))
				}
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	return cmd
}

// everyModel stands for a freeze's model where it names none.
const everyModel = "every model"

func showFreeze(w io.Writer, f *client.FreezeView) { field(w, "frozen", freezeLine(f)) }

func freezeLine(f *client.FreezeView) string {
	return fmt.Sprintf("%s until %s: %s", cmp.Or(f.Model, everyModel), when(f.Until), f.Reason)
}

func showRollout(w io.Writer, v client.RolloutView) {
	field(w, "model", v.Model)
	field(w, "phase", v.Phase)
	field(w, "champion", v.Champion)
	field(w, "previous", v.Previous)
	field(w, "challenger", v.Challenger)
	if len(v.Steps) > 0 {
		field(w, "weight", fmt.Sprintf("%s (step %d of %d)", percent(v.Weight), v.Step, len(v.Steps)))
	}
	if v.Deadline != nil {
		field(w, "until", when(*v.Deadline))
	}
	field(w, "epoch", v.Epoch)
	field(w, "verdict", v.Verdict)
	field(w, "reason", v.Reason)
	field(w, "decision", v.LastDecisionID)
	field(w, "workflow", v.WorkflowID)
	if v.Frozen != nil {
		showFreeze(w, v.Frozen)
	}
	if v.Alias != nil {
		field(w, "alias "+v.Alias.Alias, moveText(v.Alias))
	}
	if len(v.Guardrails) > 0 {
		row(w)
		row(w, "GUARDRAIL", "VERDICT", "CHALLENGER", "REFERENCE", "LIMIT", "MESSAGE")
		for _, g := range v.Guardrails {
			row(w, g.Name, g.Verdict, number(&g.Challenger.Value), number(&g.Champion.Value), number(&g.Limit), g.Message)
		}
	}
	if len(v.Replicas) > 0 {
		row(w)
		row(w, "REPLICA", "VERSION", "STATE", "ERROR")
		for _, r := range v.Replicas {
			row(w, r.Replica, dash(cmp.Or(v.Challenger, v.Champion)), r.State, dash(r.Error))
		}
	}
}

// moveText tells of a move of an alias that changed no traffic.
func moveText(a *client.DivergenceView) string {
	return fmt.Sprintf("moved to %s by %s at %s; traffic doesn't follow: %s", cmp.Or(a.Version, "nothing"), a.Actor, when(a.At), a.Reason)
}

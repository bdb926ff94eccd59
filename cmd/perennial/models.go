package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/judge"
)

func (c *cli) newModels() *cobra.Command {
	return &cobra.Command{
		Use:     "models",
		Short:   "List the registered models and who answers for each",
		Example: "  perennial models\n  perennial models --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.Models(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				row(w, "MODEL", "MODE", "CHAMPION", "HOLDOUT", "CHALLENGER", "ALIASES", "UPDATED")
				for _, m := range list.Items {
					row(w, m.Model, m.Traffic.Mode, dash(m.Traffic.Champion), dash(headline(cmd.Context(), api, m)), dash(m.Traffic.Challenger), dash(pairs(m.Aliases, same)), when(m.UpdatedAt))
				}
			})
		},
	}
}

// headline gives the metric by which the version in service was selected, on the
// holdout; "" where there is no such version, or no run that tells.
func headline(ctx context.Context, api *client.Client, m client.ModelView) string {
	if m.Traffic.Champion == "" {
		return ""
	}
	version, err := api.Version(ctx, m.Model, m.Traffic.Champion)
	if err != nil || version.RunID == "" {
		return ""
	}
	run, err := api.Run(ctx, version.RunID)
	if names := run.Headline(); err == nil && len(names) > 0 {
		return names[0] + "=" + number(run.Metrics[names[0]])
	}
	return ""
}

func (c *cli) newVersions() *cobra.Command {
	return &cobra.Command{
		Use:     "versions MODEL",
		Short:   "List a model's versions, newest first",
		Example: "  perennial versions iris",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.Versions(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				row(w, "VERSION", "ALGORITHM", "ALIASES", "RUN", "DATA", "CREATED")
				for _, v := range list.Items {
					row(w, v.Version, dash(v.Algorithm), dash(joined(v.Aliases)), dash(v.RunID), dash(short(v.Lineage.Data.MD5)), when(v.CreatedAt))
				}
			})
		},
	}
}

func (c *cli) newHistory() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "history MODEL",
		Short:   "List every change of a model's traffic, newest first",
		Example: "  perennial history iris --limit 5",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.History(cmd.Context(), args[0], limit)
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				row(w, "EPOCH", "MODE", "CHAMPION", "CHALLENGER", "WEIGHT", "ACTOR", "REASON", "CHANGED")
				for _, t := range list.Items {
					row(w, t.Epoch, t.Mode, dash(t.Champion), dash(t.Challenger), percent(t.Weight), dash(t.Actor), dash(t.Reason), whenMaybe(t.ChangedAt))
				}
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "how many changes")
	return cmd
}

func (c *cli) newDecision() *cobra.Command {
	var recompute bool
	show := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a decision: every test, its numbers and the reason",
		Example: "  perennial decision show gate-019a8f3e00007000800000000000000\n  perennial decision show gate-019a8f3e00007000800000000000000 --recompute",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			d, err := api.Decision(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if recompute {
				return c.recomputeDecision(d)
			}
			return c.print(d, func(w io.Writer) { showDecision(w, d) })
		},
	}
	show.Flags().BoolVar(&recompute, "recompute", false, "decide again from the record's policy and evidence, and compare")
	return group("decision", "Look at what Perennial decided by itself", show)
}

// recomputed is what --recompute prints as JSON.
type recomputed struct {
	DecisionID  string            `json:"decision_id"`
	Same        bool              `json:"same"`
	Verdict     perennial.Verdict `json:"verdict"` // the recomputed one
	Differences []string          `json:"differences"`
}

// recomputeDecision decides again here, on what the record holds, and fails
// where that isn't what was recorded.
func (c *cli) recomputeDecision(d client.DecisionView) error {
	record := perennial.Decision{
		ID: d.DecisionID, Kind: d.Kind, Verdict: d.Verdict, Passed: d.Passed, Reason: d.Reason, Checks: d.Checks, InputsSHA256: d.InputsSHA256,
	}
	record.Policy, _ = d.Policy.(json.RawMessage)
	record.Evidence, _ = d.Evidence.(json.RawMessage)
	again, err := judge.Recompute(record)
	if err != nil {
		return err
	}
	out := recomputed{DecisionID: d.DecisionID, Verdict: again.Verdict, Differences: judge.Differences(record, again)}
	if out.Same = len(out.Differences) == 0; out.Differences == nil {
		out.Differences = []string{}
	}
	err = c.print(out, func(w io.Writer) {
		field(w, "decision", out.DecisionID)
		field(w, "verdict", out.Verdict)
		field(w, "recomputed", map[bool]string{true: "same", false: "differs"}[out.Same])
		for _, difference := range out.Differences {
			row(w, difference)
		}
	})
	if err == nil && !out.Same {
		err = perennial.Errorf(perennial.CodeConflict, "cli.decision", "decision %s doesn't recompute to itself", out.DecisionID).
			WithHint("The record was changed, or made by a version of Perennial that decides differently.")
	}
	return err
}

func showDecision(w io.Writer, d client.DecisionView) {
	field(w, "decision", d.DecisionID)
	field(w, "kind", d.Kind)
	field(w, "model", d.Model)
	field(w, "version", d.Version)
	field(w, "run", d.RunID)
	field(w, "workflow", d.WorkflowID)
	field(w, "at", when(d.At))
	field(w, "verdict", d.Verdict)
	field(w, "passed", d.Passed)
	field(w, "reason", d.Reason)
	if len(d.Checks) == 0 {
		return
	}
	row(w)
	row(w, "CHECK", "VERDICT", "VALUE", "REFERENCE", "EFFECT", "INTERVAL", "LIMIT", "N")
	for _, k := range d.Checks {
		interval := "-"
		if k.Interval != nil {
			interval = fmt.Sprintf("%s..%s", number(&k.Interval[0]), number(&k.Interval[1]))
		}
		row(w, k.Name, k.Verdict, number(&k.Value), number(&k.Reference), number(&k.Effect), interval, number(&k.Limit), k.N)
	}
	row(w)
	for _, k := range d.Checks {
		row(w, k.Name+": "+k.Message)
	}
}

// showLineage writes what made a version.
func showLineage(w io.Writer, l *perennial.Lineage) {
	field(w, "run", l.RunID)
	if l.Imported != nil {
		showImported(w, l)
		return
	}
	field(w, "workflow", strings.TrimSpace(l.WorkflowID+" "+l.WorkflowRunID))
	field(w, "data", fmt.Sprintf("%s md5 %s, %d rows", l.Data.Path, l.Data.MD5, l.Data.Rows))
	if l.Data.FeedbackRows > 0 {
		field(w, "feedback", fmt.Sprintf("%d rows, base md5 %s", l.Data.FeedbackRows, l.Data.BaseMD5))
	}
	field(w, "model sha256", l.ModelSHA256)
	field(w, "schema sha256", l.SchemaSHA256)
	field(w, "params sha256", l.ParamsSHA256)
	field(w, "pipeline revision", l.PipelineRevision)
	field(w, "seed", l.Seed)
	commit := l.ProjectCommit
	if commit != "" && l.ProjectDirty {
		commit += " (with changes)"
	}
	field(w, "project commit", commit)
	field(w, "build", l.Build)
}

// showImported writes what an imported version was made of.
func showImported(w io.Writer, l *perennial.Lineage) {
	i := l.Imported
	field(w, "imported from", fmt.Sprintf("%s (%s %s, objective %s, %d trees of %d iterations)", i.File, i.Library, i.Format, i.Objective, i.Trees, i.Iterations))
	field(w, "file sha256", i.SHA256)
	field(w, "model sha256", l.ModelSHA256)
	field(w, "schema sha256", l.SchemaSHA256)
	field(w, "build", l.Build)
}

func joined(list []string) string { return strings.Join(list, " ") }

func percent(share float64) string { return fmt.Sprintf("%g%%", share*100) }

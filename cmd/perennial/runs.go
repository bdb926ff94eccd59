package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (c *cli) newRuns() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "runs PIPELINE",
		Short:   "List a pipeline's trainings, newest first, each with its candidates",
		Example: "  perennial runs iris\n  perennial runs iris --json --limit 1",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.Runs(cmd.Context(), args[0], client.Page{Limit: limit})
			if err != nil {
				return err
			}
			if len(list.Items) == 0 { // none yet, or no such pipeline
				if _, err := api.Pipeline(cmd.Context(), args[0]); err != nil {
					return err
				}
			}
			return c.print(list, func(w io.Writer) {
				row(w, "RUN", "RESULT", "CV SCORE", "HOLDOUT", "DATA", "STARTED")
				for _, r := range list.Items {
					runRow(w, r)
				}
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "how many runs, candidates included")
	return cmd
}

// runRow writes a run and, below it, its candidates by their algorithms: their
// ids, which run show lists, would make the lines too long.
func runRow(w io.Writer, r client.RunView) {
	result := cmp.Or(r.Outcome, strings.ToLower(string(r.Status)))
	if r.Version != "" {
		result = "version " + r.Version
	}
	first := r.Params["select"]
	line := func(name, result string, r client.RunView) {
		cv, holdout := scores(r, first)
		row(w, name, result, dash(cv), dash(holdout), dash(short(r.DataMD5)), minute(r.StartedAt))
	}
	line(r.RunID, result, r)
	for i, k := range r.Candidates {
		branch := "├─ "
		if i == len(r.Candidates)-1 {
			branch = "└─ "
		}
		k.DataMD5 = r.DataMD5
		line(branch+cmp.Or(k.Algorithm, k.RunID), candidateResult(k), k)
		if why := k.Tags[perennial.TagFailure]; why != "" {
			indent := "│"
			if i == len(r.Candidates)-1 {
				indent = " "
			}
			row(w, indent+"    "+why)
		}
	}
}

// candidateResult says what became of a candidate.
func candidateResult(k client.RunView) string {
	switch {
	case k.Tags["perennial.selected"] == "true":
		return "selected"
	case k.Tags[perennial.TagStopped] != "":
		return fmt.Sprintf("%s (%s)", trialStopped, k.Tags[perennial.TagStopped])
	}
	return strings.ToLower(string(k.Status))
}

// scores splits a run's metrics into those of cross-validation and those of the
// holdout, leaving out what belongs to a metric (bounds, folds, the baseline's).
// The metric that the pipeline selects by comes first.
func scores(r client.RunView, first string) (cv, holdout string) {
	validated, held := map[string]*float64{}, map[string]*float64{}
	for k, v := range r.Metrics {
		name, ok := strings.CutPrefix(k, "cv_")
		switch {
		case ok:
			validated[name] = v
		case chief[k] || k == first:
			held[k] = v
		}
	}
	cv = pairs(validated, number)
	chosen, ok := held[first]
	if !ok {
		return cv, pairs(held, number)
	}
	delete(held, first)
	return cv, strings.TrimSpace(first + "=" + number(chosen) + " " + pairs(held, number))
}

// chief are the metrics of the holdout that have room in a table; run show
// lists all.
var chief = map[string]bool{
	"accuracy": true, "log_loss": true, "average_precision": true, "rmse": true, "r2": true,
}

func (c *cli) newRun() *cobra.Command {
	var artifact, output string
	show := &cobra.Command{
		Use:   "show RUN",
		Short: "Show one run: parameters, metrics, data, candidates, trials, files",
		Example: "  perennial run show 01a207bc243d76148769dcda09ff6d7b\n" +
			"  perennial run show 01a207bc243d76148769dcda09ff6d7b --artifact card.md\n" +
			"  perennial run show 01a207bc243d76148769dcda09ff6d7b --artifact card.html --output card.html",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "" && artifact == "" {
				return usageError{"--output is where an --artifact goes: name one of the files that run show lists"}
			}
			if artifact != "" {
				return c.fetchArtifact(cmd.Context(), args[0], artifact, output)
			}
			runs, err := c.runsByID(cmd.Context(), args)
			if err != nil {
				return err
			}
			return c.print(runs[0], func(w io.Writer) { showRun(w, runs[0]) })
		},
	}
	show.Flags().StringVar(&artifact, "artifact", "", "write the content of one of the run's files, as `PATH` in the list")
	show.Flags().StringVarP(&output, "output", "o", "", "write it to this `FILE`, which is replaced; default: standard output")
	compare := &cobra.Command{
		Use:     "compare RUN RUN...",
		Short:   "Compare runs side by side, what differs marked",
		Example: "  perennial run compare 01a207bc243d76148769dcda09ff6d7b 01a207bc0200796196de532187f506ce",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			runs, err := c.runsByID(cmd.Context(), args)
			if err != nil {
				return err
			}
			return c.print(runs, func(w io.Writer) { compareRuns(w, runs) })
		},
	}
	return group("run", "Look at tracked runs", show, compare)
}

func (c *cli) runsByID(ctx context.Context, ids []string) ([]client.RunView, error) {
	api, err := c.client()
	if err != nil {
		return nil, err
	}
	runs := make([]client.RunView, len(ids))
	for i, id := range ids {
		if runs[i], err = api.Run(ctx, id); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// fetchArtifact writes one of a run's files to a file, or to the output.
func (c *cli) fetchArtifact(ctx context.Context, run, path, output string) error {
	api, err := c.client()
	if err != nil {
		return err
	}
	content, err := api.Artifact(ctx, run, path)
	if err != nil {
		return err
	}
	if output != "" && output != "-" {
		if err := replaceFile(output, content); err != nil {
			return err
		}
		c.sayf("%s (%s) is in %s.", path, bytesOf(int64(len(content))), output)
		return nil
	}
	_, err = c.out.Write(content)
	return err
}

func showRun(w io.Writer, r client.RunView) {
	for _, f := range facts(r) {
		field(w, f.name, f.value)
	}
	table := func(title string, names []string, value func(string) string) {
		if len(names) == 0 {
			return
		}
		row(w)
		row(w, title)
		for _, n := range names {
			row(w, "  "+n, value(n))
		}
	}
	table("PARAMETERS", slices.Sorted(maps.Keys(r.Params)), func(n string) string { return r.Params[n] })
	table("METRICS", slices.Sorted(maps.Keys(r.Metrics)), func(n string) string { return number(r.Metrics[n]) })
	if len(r.Candidates) > 0 {
		row(w)
		row(w, "CANDIDATE", "ALGORITHM", "RESULT", "CV SCORE", "PARAMETERS")
		for _, k := range r.Candidates {
			cv, _ := scores(k, "")
			row(w, k.RunID, dash(k.Algorithm), candidateResult(k), dash(cv), cmp.Or(k.Tags[perennial.TagFailure], pairs(k.Params, same)))
		}
	}
	showTrials(w, r)
	if len(r.Artifacts) > 0 {
		row(w)
		row(w, "FILE", "SIZE", "FETCH IT WITH --artifact PATH --output FILE")
		for _, a := range r.Artifacts {
			row(w, a.Path, bytesOf(a.Size))
		}
	}
}

// bytesOf writes a size for people.
func bytesOf(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

type fact struct{ name, value string }

// facts are what there is to say of a run besides parameters and metrics.
func facts(r client.RunView) []fact {
	list := []fact{
		{"run", r.RunID}, {"name", r.Name}, {"kind", r.Kind}, {"algorithm", r.Algorithm}, {"status", strings.ToLower(string(r.Status))},
		{"outcome", r.Outcome}, {"version", r.Version}, {"decision", r.DecisionID}, {"parent", r.ParentRunID},
		{"workflow", r.WorkflowID}, {"started", when(r.StartedAt)}, {"ended", whenMaybe(r.EndedAt)}, {"data md5", r.DataMD5},
	}
	for _, in := range r.Inputs {
		list = append(list, fact{"data", fmt.Sprintf("%s, %d rows (%s)", in.Data.Path, in.Data.Rows, in.Context)})
	}
	for _, w := range []struct{ name, tag string }{
		{"fit ended as", perennial.TagTermination},
		{"data warning", "perennial.data_warnings"}, {"leak warning", "perennial.leak_warnings"}, {"model warning", "perennial.warning"}, {"truncated", "perennial.truncated"}, {"sampled", "perennial.sampled"},
	} {
		list = append(list, fact{w.name, r.Tags[w.tag]})
	}
	return list
}

// brief cuts a hash, and whatever else is too long for a column.
func brief(s string) string {
	const most = 32
	if len(s) <= most {
		return s
	}
	return short(s) + "…"
}

// compareRuns writes one column a run and marks the lines that differ.
func compareRuns(w io.Writer, runs []client.RunView) {
	line := func(name string, value func(r client.RunView) string) {
		cells, differ := []any{"", name}, false
		for _, r := range runs {
			v := value(r)
			differ = differ || v != value(runs[0])
			cells = append(cells, dash(v))
		}
		if differ {
			cells[0] = "*"
		}
		row(w, cells...)
	}
	line("run", func(r client.RunView) string { return r.RunID })
	line("algorithm", func(r client.RunView) string { return r.Algorithm })
	line("status", func(r client.RunView) string { return strings.ToLower(string(r.Status)) })
	line("outcome", func(r client.RunView) string { return r.Outcome })
	line("version", func(r client.RunView) string { return r.Version })
	line("data md5", func(r client.RunView) string { return short(r.DataMD5) })
	line("started", func(r client.RunView) string { return when(r.StartedAt) })
	params, metrics := map[string]bool{}, map[string]bool{}
	for _, r := range runs {
		for k := range r.Params {
			params[k] = true
		}
		for k := range r.Metrics {
			metrics[k] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(params)) {
		line("params."+k, func(r client.RunView) string { return brief(r.Params[k]) })
	}
	for _, k := range slices.Sorted(maps.Keys(metrics)) {
		line("metrics."+k, func(r client.RunView) string {
			if v, ok := r.Metrics[k]; ok {
				return number(v)
			}
			return ""
		})
	}
}

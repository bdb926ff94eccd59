package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dataset"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

// dataChange is one change as data diff prints it.
type dataChange struct {
	Path    string           `json:"path"`
	Kind    dvc.ChangeKind   `json:"kind"`
	OldPath string           `json:"old_path,omitempty"`
	OldMD5  string           `json:"old_md5,omitempty"`
	NewMD5  string           `json:"new_md5,omitempty"`
	Rows    *dataset.RowDiff `json:"rows,omitempty"`
	Note    string           `json:"note,omitempty"` // why there are no rows
}

func (c *cli) newDataDiff() *cobra.Command {
	var key []string
	var examples int
	cmd := &cobra.Command{
		Use:   "diff [REV]",
		Short: "Compare the data with that of a git revision, by files and by rows",
		Long: `Compare the data as it is, what stages made too, with that of a git revision (HEAD without one): files that were added, deleted,
modified or renamed, and of a CSV file the columns and rows. Rows are told apart by --key, else by the id column of the pipeline that reads the
file, or by its features; without a pipeline by all their values, and then no row counts as changed.`,
		Example: "  perennial data diff\n  perennial data diff v1.2 --key order_id\n  perennial data diff HEAD~1 --json",
		Args:    cobra.MaximumNArgs(1),
	}
	dir := projectFlag(cmd, dvcDir)
	cmd.Flags().StringSliceVar(&key, "key", nil, "the columns that tell rows apart")
	cmd.Flags().IntVar(&examples, "examples", 5, "how many rows of each kind to show")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		rev := "HEAD"
		if len(args) == 1 {
			rev = args[0]
		}
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		changes, err := repo.Diff(cmd.Context(), rev)
		if err != nil {
			return err
		}
		specs, _, _ := pipeline.LoadDir(*dir, "pipelines") // a project needn't have any; broken ones are validate's business
		list := make([]dataChange, len(changes))
		for i, ch := range changes {
			list[i] = dataChange{Path: ch.Path, Kind: ch.Kind, OldPath: ch.OldPath, OldMD5: ch.OldMD5, NewMD5: ch.NewMD5}
			if lower := strings.ToLower(ch.Path); ch.Kind != dvc.ChangeModified || !strings.HasSuffix(lower, ".csv") && !strings.HasSuffix(lower, ".csv.gz") {
				continue
			}
			o := rowOptions(specs, ch.Path)
			o.Examples = examples
			if len(key) > 0 {
				o.Key = key
			}
			rows, err := diffRows(cmd.Context(), repo, *dir, ch, o)
			if err != nil {
				list[i].Note, _, _ = perennial.Explain(err)
				continue
			}
			list[i].Rows = &rows
		}
		return c.print(list, func(w io.Writer) { printDiff(w, rev, list) })
	}
	return cmd
}

// rowOptions says how to tell the rows of a file apart, by the pipeline that reads
// it.
func rowOptions(specs []*pipeline.Spec, path string) dataset.RowDiffOptions {
	for _, s := range specs {
		if filepath.ToSlash(filepath.Clean(s.Pipeline.Data.Path)) != path {
			continue
		}
		o := dataset.RowDiffOptions{CSV: s.Pipeline.Data.CSV}
		if id, ok := s.Schema.ID(); ok {
			o.Key = []string{id.Name}
			return o
		}
		for _, column := range s.Schema.Columns {
			if column.Role == perennial.RoleFeature {
				o.Key = append(o.Key, column.Name)
			}
		}
		return o
	}
	return dataset.RowDiffOptions{}
}

// diffRows compares the rows of a modified file.
func diffRows(ctx context.Context, repo *dvc.Repo, dir string, ch dvc.Change, o dataset.RowDiffOptions) (dataset.RowDiff, error) {
	before, err := repo.Open(ctx, ch.OldMD5, ch.OldRemote)
	if err != nil {
		return dataset.RowDiff{}, err
	}
	after, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(ch.Path))) //nolint:gosec // a data file of the project
	if err != nil {
		return dataset.RowDiff{}, perennial.Errorf(perennial.CodeUnavailable, "cli.diffRows", "can't read %s", ch.Path).Because(err)
	}
	return dataset.DiffRows(ctx, ch.Path, before, after, o)
}

func printDiff(w io.Writer, rev string, list []dataChange) {
	if len(list) == 0 {
		fmt.Fprintf(w, "No data differs from %s.\n", rev)
	}
	for _, ch := range list {
		if ch.OldPath != "" {
			fmt.Fprintf(w, "%s %s, was %s\n", ch.Kind, ch.Path, ch.OldPath)
		} else {
			fmt.Fprintf(w, "%s %s\n", ch.Kind, ch.Path)
		}
		if ch.Note != "" {
			fmt.Fprintf(w, "  rows not compared: %s\n", ch.Note)
		}
		if ch.Rows != nil {
			printRows(w, ch.Rows)
		}
	}
}

func printRows(w io.Writer, d *dataset.RowDiff) {
	by := "all their values"
	if len(d.Key) > 0 {
		by = strings.Join(d.Key, ", ")
	}
	fmt.Fprintf(w, "  %d rows, were %d: %d added, %d removed, %d changed; told apart by %s\n", d.After, d.Before, d.Added, d.Removed, d.Changed, by)
	for _, c := range d.AddedColumns {
		fmt.Fprintf(w, "  + column %s\n", c)
	}
	for _, c := range d.RemovedColumns {
		fmt.Fprintf(w, "  - column %s\n", c)
	}
	for _, c := range d.Retyped {
		fmt.Fprintf(w, "  ~ column %s: %s, was %s\n", c.Column, c.After, c.Before)
	}
	if d.Reordered {
		fmt.Fprintln(w, "  ~ the columns stand in another order")
	}
	for _, r := range d.Examples {
		sign := map[string]string{"added": "+", "removed": "-", "changed": "~"}[r.Kind]
		var cells []string
		for _, cell := range r.Cells {
			cells = append(cells, fmt.Sprintf("%s: %s, was %s", cell.Column, quoteEmpty(cell.After), quoteEmpty(cell.Before)))
		}
		var values []string
		for _, column := range slices.Sorted(maps.Keys(r.Values)) {
			values = append(values, column+"="+quoteEmpty(r.Values[column]))
		}
		line := fmt.Sprintf("  %s row %d (%s)", sign, r.Row, strings.Join(values, " "))
		if len(cells) > 0 {
			line += " " + strings.Join(cells, "; ")
		}
		fmt.Fprintln(w, line)
	}
}

func quoteEmpty(s string) string { return cmp.Or(s, `""`) }

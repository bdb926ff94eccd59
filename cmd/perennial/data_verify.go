package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

// badObject is a damaged or missing object as data verify prints it.
type badObject struct {
	MD5      string   `json:"md5"` // its name; a directory's ends in .dir
	Missing  bool     `json:"missing"`
	CameMD5  string   `json:"came_md5"` // of its content; "" where it is missing
	Paths    []string `json:"paths"`
	Repaired string   `json:"repaired,omitempty"` // from where
	Aside    string   `json:"aside,omitempty"`    // where the bad content lies now
	Fault    string   `json:"fault,omitempty"`    // why it wasn't repaired
}

func (c *cli) newDataVerify() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every cache object again, name those damaged or missing and repair them",
		Long: `Read every object of the cache again, name those whose content isn't what their name says, and replace them by what the work
tree or the remote has. A damaged one that neither has is put aside, into .dvc/tmp/perennial/bad, so that nothing uses it. Also
named is what pointers and dvc.lock need and neither the cache nor the remote has (missing); the remote is asked only for what
the cache lacks. The exit code is 1 if an object stays damaged or missing, with --dry-run, which changes nothing, if one is.`,
		Example: "  perennial data verify",
		Args:    cobra.NoArgs,
	}
	dir := projectFlag(cmd, dvcDir)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only name them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		v, err := repo.Verify(cmd.Context(), !dryRun)
		if err != nil && v.Objects == 0 {
			return err
		}
		list := make([]badObject, len(v.Bad))
		for i, b := range v.Bad {
			list[i] = badObject{MD5: b.OID, Missing: b.Missing, CameMD5: b.CameMD5, Paths: b.Paths, Repaired: b.Repaired, Aside: b.Aside}
			if b.Fault != nil {
				list[i].Fault, _, _ = perennial.Explain(b.Fault)
			}
		}
		out := map[string]any{"objects": v.Objects, "bytes": v.Bytes, "bad": list}
		if perr := c.print(out, func(w io.Writer) { printBad(w, locate(cmd, *dir), v, list) }); perr != nil || err != nil {
			return errors.Join(err, perr)
		}
		return stillBad(v)
	}
	return cmd
}

// stillBad is the error of objects that weren't repaired.
func stillBad(v dvc.Verification) error {
	damaged, missing := 0, 0
	var hints []string
	for _, b := range v.Bad {
		switch {
		case b.Repaired != "":
			continue
		case b.Missing:
			missing++
		default:
			damaged++
		}
		hint := "perennial data verify repairs what the work tree or the remote has."
		if b.Fault != nil {
			_, hint, _ = perennial.Explain(b.Fault)
		}
		if hint != "" && !slices.Contains(hints, hint) {
			hints = append(hints, hint)
		}
	}
	if damaged+missing == 0 {
		return nil
	}
	return perennial.Errorf(perennial.CodePrecondition, "cli.verify", "damaged objects: %d; missing: %d", damaged, missing).WithHint("%s", strings.Join(hints, "\n"))
}

func printBad(w io.Writer, at location, v dvc.Verification, list []badObject) {
	missing := 0
	for _, b := range list {
		if b.Missing {
			missing++
		}
	}
	fmt.Fprintf(w, "%d objects, %d bytes read: %d damaged, %d missing.\n", v.Objects, v.Bytes, len(list)-missing, missing)
	if len(list) == 0 {
		return
	}
	row(w, "OBJECT", "CONTENT", "DATA", "NOW")
	for _, b := range list {
		now := "damaged"
		switch {
		case b.Repaired != "":
			now = "repaired from the " + b.Repaired
		case b.Missing:
			now = "missing"
		case b.Aside != "":
			now = "put aside as " + at.shown(b.Aside)
		}
		if b.Fault != "" {
			now += ": " + b.Fault
		}
		row(w, b.MD5, dash(b.CameMD5), dash(strings.Join(at.shownAll(b.Paths), ", ")), now)
	}
}

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
)

// badObject is a damaged cache object as data verify prints it.
type badObject struct {
	MD5      string   `json:"md5"` // its name; a directory's ends in .dir
	CameMD5  string   `json:"came_md5"`
	Paths    []string `json:"paths"`
	Repaired string   `json:"repaired,omitempty"` // from where
	Aside    string   `json:"aside,omitempty"`    // where the bad content lies now
	Fault    string   `json:"fault,omitempty"`    // why it wasn't repaired
}

func (c *cli) newDataVerify() *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every cache object again, name the damaged ones and repair them",
		Long: `Read every object of the cache again, name those whose content isn't what their name says, and replace them by what the work
tree or the default remote has. What nobody has is put aside, into .dvc/tmp/perennial/bad, so that nothing uses it; then the
exit code is 1. With --dry-run nothing changes, and the exit code is 1 if an object is damaged.`,
		Example: "  perennial data verify",
		Args:    cobra.NoArgs,
	}
	dir := projectFlag(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only name them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		v, err := repo.Verify(cmd.Context(), !dryRun)
		if err != nil {
			return err
		}
		list := make([]badObject, len(v.Bad))
		left := 0
		for i, b := range v.Bad {
			list[i] = badObject{MD5: b.OID, CameMD5: b.CameMD5, Paths: b.Paths, Repaired: b.Repaired, Aside: b.Aside}
			if b.Fault != nil {
				list[i].Fault, _, _ = perennial.Explain(b.Fault)
			}
			if b.Repaired == "" || b.Fault != nil {
				left++
			}
		}
		out := map[string]any{"objects": v.Objects, "bytes": v.Bytes, "bad": list}
		if err := c.print(out, func(w io.Writer) { printBad(w, v, list) }); err != nil {
			return err
		}
		switch {
		case left == 0:
			return nil
		case dryRun:
			return perennial.Errorf(perennial.CodePrecondition, "cli.verify", "%d of %d cache objects are damaged", left, v.Objects).
				WithHint("perennial data verify repairs them.")
		default:
			return perennial.Errorf(perennial.CodePrecondition, "cli.verify", "%d damaged cache objects could not be repaired", left).
				WithHint("Bring a good copy into the remote (perennial data push in a clone that has it), then perennial data pull.")
		}
	}
	return cmd
}

func printBad(w io.Writer, v dvc.Verification, list []badObject) {
	fmt.Fprintf(w, "%d objects, %d bytes read: %d damaged.\n", v.Objects, v.Bytes, len(list))
	if len(list) == 0 {
		return
	}
	row(w, "OBJECT", "CONTENT", "DATA", "NOW")
	for _, b := range list {
		now := "damaged"
		switch {
		case b.Repaired != "" && b.Fault == "":
			now = "repaired from the " + b.Repaired
		case b.Aside != "":
			now = "put aside as " + b.Aside + ": " + b.Fault
		}
		paths := strings.Join(b.Paths, ", ")
		if paths == "" {
			paths = "-"
		}
		row(w, b.MD5, b.CameMD5, paths, now)
	}
}

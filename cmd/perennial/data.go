package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/dvc"
)

func (c *cli) newData() *cobra.Command {
	return group("data", "Look after the project's versioned data", c.newDataStatus(), c.newDataPull())
}

// fileStatus is one data file as data status prints it.
type fileStatus struct {
	Path     string    `json:"path"`
	State    dvc.State `json:"state"`
	MD5      string    `json:"md5"` // that its pointer names
	CameMD5  string    `json:"came_md5,omitempty"`
	Size     int64     `json:"size"`
	InCache  bool      `json:"in_cache"`
	InRemote bool      `json:"in_remote"`
}

func (c *cli) newDataStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Compare every data file with its pointer, by content",
		Example: "  perennial data status",
		Args:    cobra.NoArgs,
	}
	dir := projectFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		found, err := repo.Status(cmd.Context())
		if err != nil {
			return err
		}
		list := make([]fileStatus, len(found))
		for i, f := range found {
			list[i] = fileStatus{Path: f.Path, State: f.State, MD5: f.MD5, CameMD5: f.CameMD5, Size: f.Size, InCache: f.InCache, InRemote: f.InRemote}
		}
		return c.print(list, func(w io.Writer) {
			row(w, "PATH", "STATE", "MD5", "BYTES", "IN CACHE", "IN REMOTE")
			for _, f := range list {
				row(w, f.Path, f.State, f.MD5, f.Size, yes(f.InCache), yes(f.InRemote))
			}
		})
	}
	return cmd
}

func (c *cli) newDataPull() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "pull [PATH...]",
		Short:   "Restore data files from the cache or the remote, verified",
		Example: "  perennial data pull\n  perennial data pull data/raw/iris.csv",
		Args:    cobra.ArbitraryArgs,
	}
	dir := projectFlag(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "replace files with changes that are kept nowhere else")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		pull := repo.Pull
		if force {
			pull = repo.ForcePull
		}
		pulled, err := pull(cmd.Context(), args...)
		if err != nil {
			return err
		}
		if pulled == nil {
			pulled = []string{}
		}
		return c.print(map[string]any{"pulled": pulled}, func(w io.Writer) {
			for _, p := range pulled {
				row(w, p)
			}
			if len(pulled) == 0 {
				fmt.Fprintln(w, "Everything is up to date.")
			}
		})
	}
	return cmd
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

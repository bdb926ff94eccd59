package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/dvc"
)

func (c *cli) newData() *cobra.Command {
	return group("data", "Look after the project's versioned data",
		c.newDataAdd(), c.newDataStatus(), c.newDataPull(), c.newDataPush(), c.newDataVerify(), c.newDataDiff(), c.newDataLineage(), c.newDataLock())
}

// added is one data file as data add prints it.
type added struct {
	Path       string `json:"path"`
	MD5        string `json:"md5"`
	Size       int64  `json:"size"`
	Files      int    `json:"files,omitempty"` // of a directory
	Pushed     bool   `json:"pushed"`          // to the default remote, now
	Registered bool   `json:"registered"`      // with the API
}

func (c *cli) newDataAdd() *cobra.Command {
	var local bool
	var reason string
	cmd := &cobra.Command{
		Use:   "add PATH...",
		Short: "Version data: pointer, cache, default remote, and register its hash",
		Long: `Version files and directories as dvc add and dvc push do: a pointer file beside each, its content in the cache and in the
default remote. The API is told which content stands behind each file's path now, so that workers without a project read
that; --local leaves remote and API out.

` + pathsHelp,
		Example: "  perennial data add data/raw/churn.csv\n  perennial data add --local data/raw/churn.csv data/pictures",
		Args:    cobra.MinimumNArgs(1),
	}
	dir := projectFlag(cmd, dvcDir)
	cmd.Flags().BoolVar(&local, "local", false, "neither push nor register")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		at := locate(cmd, *dir)
		paths, err := at.inProject(args)
		if err != nil {
			return err
		}
		pointers, err := repo.AddAll(cmd.Context(), paths...)
		if err != nil {
			return err
		}
		list := make([]added, len(pointers))
		for i, p := range pointers {
			list[i] = added{Path: p.Path, MD5: p.MD5, Size: p.Size, Files: p.Files}
		}
		if !local {
			if err := publish(cmd.Context(), repo, api, pointers, list, reason); err != nil {
				return err
			}
		}
		return c.print(list, func(w io.Writer) {
			row(w, "PATH", "MD5", "BYTES", "PUSHED", "REGISTERED")
			for _, a := range list {
				row(w, at.shown(a.Path), a.MD5, a.Size, yes(a.Pushed), yes(a.Registered))
			}
		})
	}
	return cmd
}

// publish pushes what was added and tells the API which content stands behind each
// file's path now. A directory isn't registered: a pipeline reads one file.
func publish(ctx context.Context, repo *dvc.Repo, api *client.Client, pointers []dvc.Pointer, list []added, reason string) error {
	paths := make([]string, len(pointers))
	for i, p := range pointers {
		paths[i] = p.Path
	}
	pushed, err := repo.Push(ctx, paths...)
	if err != nil {
		return err
	}
	for i, p := range pointers {
		list[i].Pushed = slices.Contains(pushed, p.Path)
		if p.IsDir() {
			continue
		}
		if _, err := api.RegisterDataset(ctx, p.Path, client.RegisterDatasetRequest{MD5: p.MD5, Size: p.Size, Reason: reason}); err != nil {
			return err
		}
		list[i].Registered = true
	}
	return nil
}

// printPaths shows which of the project's files a command wrote.
func (c *cli) printPaths(at location, what string, paths []string) error {
	if paths == nil {
		paths = []string{}
	}
	return c.print(map[string]any{what: paths}, func(w io.Writer) {
		for _, p := range paths {
			row(w, at.shown(p))
		}
		if len(paths) == 0 {
			fmt.Fprintln(w, "Everything is up to date.")
		}
	})
}

// fileStatus is one data file or directory as data status prints it.
type fileStatus struct {
	Path    string    `json:"path"`
	State   dvc.State `json:"state"`
	MD5     string    `json:"md5"` // that its pointer or dvc.lock names
	CameMD5 string    `json:"came_md5,omitempty"`
	Size    int64     `json:"size"`
	Files   int       `json:"files,omitempty"` // of a directory
	Stage   string    `json:"stage,omitempty"` // that makes it, by dvc.lock
	InCache bool      `json:"in_cache"`
	Remote  dvc.State `json:"remote,omitempty"` // its state against its remote, with --remote
}

func (c *cli) newDataStatus() *cobra.Command {
	var remote bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Compare all data with its pointers, by content",
		Long: `Compare all data with its pointers, and what stages made with dvc.lock, by content; what is unchanged since it was last read is
not read again. The states are dvc's: up_to_date, modified, deleted, new (a pointer without content), not_in_cache. With
--remote also against the remote: new (push would bring it there), deleted (only the remote has it), missing (nobody has it).`,
		Example: "  perennial data status\n  perennial data status --remote",
		Args:    cobra.NoArgs,
	}
	dir := projectFlag(cmd, dvcDir)
	cmd.Flags().BoolVar(&remote, "remote", false, "ask the remote too")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		found, err := repo.Status(cmd.Context())
		if err != nil {
			return err
		}
		if remote {
			if err := repo.CloudStatus(cmd.Context(), found); err != nil {
				return err
			}
		}
		list := make([]fileStatus, len(found))
		for i, f := range found {
			list[i] = fileStatus{Path: f.Path, State: f.State, MD5: f.MD5, CameMD5: f.CameMD5, Size: f.Size, Files: f.Files, Stage: f.Stage, InCache: f.InCache, Remote: f.Cloud}
		}
		at := locate(cmd, *dir)
		return c.print(list, func(w io.Writer) {
			head := []any{"PATH", "STATE", "MD5", "BYTES", "IN CACHE"}
			if remote {
				head = append(head, "REMOTE")
			}
			row(w, head...)
			for _, f := range list {
				row(w, []any{at.shown(f.Path), f.State, f.MD5, f.Size, yes(f.InCache), f.Remote}[:len(head)]...)
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

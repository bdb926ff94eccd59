package main

import (
	"context"
	"os"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/perennial-ml/perennial/internal/dvc"
)

func (c *cli) newDataPull() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pull [PATH...]",
		Short: "Restore data from the cache or the remote, verified",
		Long: `Restore data files and directories, and what dvc.lock says that stages made, from the cache or else from the remote. Every
object is verified before it is used; what came stays in the cache, so that a pull that was cut short goes on where it
stopped. Data with changes that are kept nowhere else is left alone and named.

` + pathsHelp,
		Example: "  perennial data pull\n  perennial data pull data/raw/iris.csv\n  perennial data pull -r backup --jobs 32",
		Args:    cobra.ArbitraryArgs,
	}
	t := transferFlags(cmd)
	cmd.Flags().BoolVar(&t.Force, "force", false, "replace data with changes that are kept nowhere else, and remove files that a directory's pointer doesn't know")
	c.transfer(cmd, t, "pulled", (*dvc.Repo).PullWith)
	return cmd
}

func (c *cli) newDataPush() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push [PATH...]",
		Short: "Copy what pointers and dvc.lock name from the cache into the remote",
		Long: `Copy what pointers and dvc.lock name from the cache into the remote. What the remote has is left alone, and a directory's
list of files goes last, so that a push that was cut short goes on where it stopped.

` + pathsHelp,
		Example: "  perennial data push\n  perennial data push -r backup data/raw/iris.csv",
		Args:    cobra.ArbitraryArgs,
	}
	c.transfer(cmd, transferFlags(cmd), "pushed", (*dvc.Repo).PushWith)
	return cmd
}

func transferFlags(cmd *cobra.Command) *dvc.Transfer {
	t := &dvc.Transfer{}
	cmd.Flags().StringVarP(&t.Remote, "remote", "r", "", "name of the remote (default: core.remote)")
	cmd.Flags().IntVarP(&t.Jobs, "jobs", "j", 0, "objects moved at once (default 16)")
	return t
}

// transfer gives a command its work: moving objects, with a bar on a terminal.
func (c *cli) transfer(cmd *cobra.Command, t *dvc.Transfer, what string, move func(*dvc.Repo, context.Context, dvc.Transfer, ...string) ([]string, error)) {
	dir := projectFlag(cmd, dvcDir)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if t.Jobs < 0 {
			return usageError{"--jobs is a number of objects, at least 1"}
		}
		repo, err := dvc.Open(*dir)
		if err != nil {
			return err
		}
		at := locate(cmd, *dir)
		named, err := at.inProject(args)
		if err != nil {
			return err
		}
		finish := c.showTransfer(t)
		paths, err := move(repo, cmd.Context(), *t, named...)
		finish()
		if len(paths) > 0 && err != nil {
			_ = c.printPaths(at, what, paths) // the error is what matters
		}
		if err != nil {
			return err
		}
		return c.printPaths(at, what, paths)
	}
}

// showTransfer draws a bar where stderr is a terminal; the answer takes it away.
func (c *cli) showTransfer(t *dvc.Transfer) (finish func()) {
	if f, ok := c.err.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}
	}
	bar := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(c.err), progressbar.OptionSetDescription("objects"), progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false))
	t.Progress = func(done, total int) {
		bar.ChangeMax(total + 1) // never full before the end: a full bar is cleared
		_ = bar.Set(done)
	}
	return func() { _ = bar.Finish() }
}

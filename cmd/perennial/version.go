package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/client"
)

// build is this program's version: the module's, or the commit it was built from.
var build = buildVersion()

func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	commit, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+dirty"
		}
	}
	if commit == "" {
		return "dev"
	}
	return "dev-" + commit[:min(12, len(commit))] + dirty
}

func (c *cli) newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print this program's version, or show a model's",
		Example: "  perennial version\n  perennial version show iris 1",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": build, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			return c.print(v, func(w io.Writer) { fmt.Fprintf(w, "perennial %s (%s, %s)\n", build, v["go"], v["platform"]) })
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "show MODEL VERSION",
		Short:   "Show one version of a model and everything that made it",
		Example: "  perennial version show iris 1",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			v, err := api.Version(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return c.print(v, func(w io.Writer) { showVersion(w, v) })
		},
	}, c.newVersionDelete())
	return cmd
}

func (c *cli) newVersionDelete() *cobra.Command {
	return c.destroying(&cobra.Command{
		Use:     "delete MODEL VERSION",
		Short:   "Delete a version that nothing holds; its run stays, its number is never used again",
		Example: "  perennial version delete iris 3 --yes",
		Args:    cobra.ExactArgs(2),
	}, "version %[2]s of %[1]s couldn't be rolled out any more", func(ctx context.Context, api *client.Client, args []string, reason string) error {
		if err := api.DeleteVersion(ctx, args[0], args[1], reason); err != nil {
			return err
		}
		return c.print(map[string]any{"deleted": args[1], "model": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "Version %s of %s is deleted.\n", args[1], args[0]) })
	})
}

// destroying completes a command that destroys something: it has --reason, and works
// with --yes only. lost is a format for its arguments that says what else is lost.
func (c *cli) destroying(cmd *cobra.Command, lost string, work func(ctx context.Context, api *client.Client, args []string, reason string) error) *cobra.Command {
	var reason string
	var sure bool
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd.Flags().BoolVar(&sure, "yes", false, "do it; without it nothing is done")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !sure {
			names := make([]any, len(args))
			for i, a := range args {
				names[i] = a
			}
			return usageError{"--yes is missing: " + fmt.Sprintf(lost, names...)}
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		return work(cmd.Context(), api, args, reason)
	}
	return cmd
}

func showVersion(w io.Writer, v client.VersionView) {
	field(w, "model", v.Model)
	field(w, "version", v.Version)
	field(w, "algorithm", v.Algorithm)
	field(w, "status", v.Status)
	field(w, "aliases", joined(v.Aliases))
	field(w, "created", when(v.CreatedAt))
	showLineage(w, &v.Lineage)
}

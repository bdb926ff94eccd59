package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/project"
)

func (c *cli) newInit() *cobra.Command {
	var demo bool
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a directory a project: pipelines/, data/, .dvc/ and dvc.yaml",
		Long: `Make a directory a project that Perennial, dvc and git share. Nothing that exists is overwritten, so it is safe
to repeat. With --demo it becomes the demo project: two data sets and their pipelines.`,
		Example: "  perennial init ~/churn\n  perennial init /tmp/demo --demo",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := filepath.Clean(args[0])
			if err := project.Init(dir, demo); err != nil {
				return err
			}
			return c.print(map[string]any{"project": dir, "demo": demo}, func(w io.Writer) {
				up := "perennial up"
				if dir != "." {
					up += " --project " + dir
				}
				fmt.Fprintf(w, "%s is a project now. Next: %s\n", dir, up)
			})
		},
	}
	cmd.Flags().BoolVar(&demo, "demo", false, "make it the demo project")
	return cmd
}

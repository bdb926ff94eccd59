package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

func (c *cli) newPipeline() *cobra.Command {
	return group("pipeline", "Check, list and show pipelines", c.newPipelineValidate(), c.newPipelineList(), c.newPipelineShow())
}

func (c *cli) newPipelineValidate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Check a pipeline file with its schema, offline; every fault at once",
		Long: `Check a pipeline file with its schema and split, without a running Perennial. Every fault is listed with file and
line. Paths in the file are relative to the project.`,
		Example: "  perennial pipeline validate pipelines/iris.yaml",
		Args:    cobra.ExactArgs(1),
	}
	dir := projectFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		file, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		root, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		spec, err := pipeline.Load(root, file)
		if err != nil {
			return err
		}
		p := &spec.Pipeline
		v := map[string]any{"file": args[0], "valid": true, "pipeline": p.Name, "revision": spec.Revision}
		return c.print(v, func(w io.Writer) {
			fmt.Fprintf(w, "%s is valid: pipeline %s, %s, %d features, %d candidates, revision %s.\n",
				args[0], p.Name, p.Task, len(spec.Schema.Features()), len(p.Candidates), short(spec.Revision))
		})
	}
	return cmd
}

func (c *cli) newPipelineList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the applied pipelines",
		Example: "  perennial pipeline list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			list, err := api.Pipelines(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(list, func(w io.Writer) {
				row(w, "PIPELINE", "TASK", "REVISION")
				for _, p := range list.Items {
					row(w, p.Pipeline, p.Task, short(p.Revision))
				}
			})
		},
	}
}

func (c *cli) newPipelineShow() *cobra.Command {
	var defaults bool
	cmd := &cobra.Command{
		Use:     "show NAME",
		Short:   "Show an applied pipeline as it was written, or with every default",
		Example: "  perennial pipeline show iris\n  perennial pipeline show iris --defaults",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := c.client()
			if err != nil {
				return err
			}
			p, err := api.Pipeline(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			text := []byte(p.Source)
			if defaults && p.Spec != nil {
				if text, err = pipeline.EncodeYAML(p.Spec); err != nil {
					return perennial.Wrap("cli.pipelineShow", err)
				}
			}
			if c.json {
				return c.print(p, nil)
			}
			_, err = c.out.Write(text) // as it is: a table writer would take its tabs
			return err
		},
	}
	cmd.Flags().BoolVar(&defaults, "defaults", false, "fill in what the file leaves out")
	return cmd
}

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

func (c *cli) newPipeline() *cobra.Command {
	return group("pipeline", "Draft, check, apply, list and show pipelines", c.newPipelineInit(), c.newPipelineValidate(), c.newPipelineApply(), c.newPipelineDelete(), c.newPipelineList(), c.newPipelineShow())
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
	dir := projectFlag(cmd, dvcDir, pipelinesDir)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		_, _, spec, err := loadPipeline(*dir, args[0])
		if err != nil {
			return err
		}
		p := &spec.Pipeline
		v := map[string]any{"file": args[0], "valid": true, "pipeline": p.Name, "revision": spec.Revision}
		return c.print(v, func(w io.Writer) {
			fmt.Fprintf(w, "%s is valid: pipeline %s, %s, %d features, %d candidates, revision %s.\n",
				args[0], p.Name, p.Task, len(spec.Features()), len(p.Candidates), short(spec.Revision))
		})
	}
	return cmd
}

// loadPipeline reads a pipeline file of a project, and gives the project's
// directory and the file's place in it besides.
func loadPipeline(dir, name string) (root, file string, spec *pipeline.Spec, err error) {
	if file, err = filepath.Abs(name); err != nil {
		return "", "", nil, err
	}
	if root, err = filepath.Abs(dir); err != nil {
		return "", "", nil, err
	}
	if spec, err = pipeline.Load(root, file); err != nil {
		err = faultsOf(name, root, err)
	}
	if rel, relErr := filepath.Rel(root, file); relErr == nil && filepath.IsLocal(rel) {
		file = filepath.ToSlash(rel)
	}
	return root, file, spec, err
}

// faultsOf counts a file's faults, which are listed below, instead of naming the
// first of them again.
func faultsOf(name, root string, err error) error {
	_, _, fields := perennial.Explain(err)
	if len(fields) == 0 {
		return err
	}
	faults := "1 fault"
	if len(fields) > 1 {
		faults = fmt.Sprintf("%d faults", len(fields))
	}
	out := perennial.Errorf(perennial.CodeOf(err), "cli.pipeline", "%s has %s:", name, faults).WithHint("Paths in it are relative to the project, %s; --project names another.", root)
	out.Fields = fields
	return out
}

func (c *cli) newPipelineApply() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "apply FILE",
		Short: "Put a pipeline file in force",
		Long: `Check a pipeline file with its schema and split, send them to the API and put them in force: trainings that start from
then on use them, on whatever machine. The same content again changes nothing. (perennial up applies its project's
files at each start.)`,
		Example: "  perennial pipeline apply pipelines/iris.yaml",
		Args:    cobra.ExactArgs(1),
	}
	dir := projectFlag(cmd, dvcDir, pipelinesDir)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		out, err := c.applyFile(cmd.Context(), *dir, args[0], reason)
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			if out.Changed {
				fmt.Fprintf(w, "Pipeline %s is in force with revision %s.\n", out.Pipeline, short(out.Revision))
			} else {
				fmt.Fprintf(w, "Pipeline %s was in force with revision %s already.\n", out.Pipeline, short(out.Revision))
			}
		})
	}
	return cmd
}

// applyFile puts a pipeline file of a project in force.
func (c *cli) applyFile(ctx context.Context, dir, name, reason string) (client.ApplyResponse, error) {
	root, file, spec, err := loadPipeline(dir, name)
	if err != nil {
		return client.ApplyResponse{}, err
	}
	files, err := pipeline.Files(root, spec, file)
	if err != nil {
		return client.ApplyResponse{}, err
	}
	api, err := c.client()
	if err != nil {
		return client.ApplyResponse{}, err
	}
	return api.ApplyPipeline(ctx, spec.Pipeline.Name, client.ApplyRequest{File: file, Files: files, Reason: reason})
}

func (c *cli) newPipelineDelete() *cobra.Command {
	return c.destroying(&cobra.Command{
		Use:     "delete NAME",
		Short:   "Take a pipeline out of force; its runs, versions and what is in service stay",
		Example: "  perennial pipeline delete iris --yes",
		Args:    cobra.ExactArgs(1),
	}, "%s couldn't be trained any more", func(ctx context.Context, api *client.Client, args []string, reason string) error {
		if err := api.DeletePipeline(ctx, args[0], reason); err != nil {
			return err
		}
		return c.print(map[string]any{"deleted": args[0]}, func(w io.Writer) { fmt.Fprintf(w, "Pipeline %s is out of force.\n", args[0]) })
	})
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
				for _, p := range list.Items {
					if p.Fault != nil {
						row(w)
						field(w, "not in force", faultLine(*p.Fault))
					}
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

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/pipeline"
	"github.com/perennial-ml/perennial/models/imported"
)

func (c *cli) newImport() *cobra.Command {
	var schema, reason string
	cmd := &cobra.Command{
		Use:   "import MODEL FILE --schema F",
		Short: "Make a version of a model that LightGBM or XGBoost trained",
		Long: `Make a version of MODEL from a LightGBM text file or from XGBoost's JSON or UBJSON. It answers as the library does.
The schema file lists the model's features and, for classification, the classes as the target's values, class 0 first.
Nothing goes into service: perennial rollout start does that, at once for a model's first version. MODEL needs no
pipeline. A pickle is refused: it would run code. Save the model in Python with

  booster.save_model("model.txt")      # LightGBM: model.booster_ of a scikit-learn model
  booster.save_model("model.json")     # XGBoost: model.get_booster() of a scikit-learn model`,
		Example: "  perennial import prices model.txt --schema prices.schema.yaml\n  perennial rollout start prices 1",
		Args:    cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&schema, "schema", "", "schema file of the rows that the model answers")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if schema == "" {
			return usageError{"--schema is missing: it says which columns the model takes"}
		}
		file, err := readFile(args[1])
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(file)) == 0 { // the API takes no empty field
			_, err := imported.Parse(file)
			return err
		}
		text, err := readFile(schema)
		if err != nil {
			return err
		}
		if _, err := pipeline.DecodeSchema(schema, text); err != nil {
			return err
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		out, err := api.Import(cmd.Context(), args[0], client.ImportRequest{Name: filepath.Base(args[1]), File: file, Schema: string(text), Reason: reason})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { showImport(w, out) })
	}
	return cmd
}

// readFile reads a file that the command line names.
func readFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the file that the caller names
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, perennial.Errorf(perennial.CodeNotFound, "cli", "there is no file %s", name)
	case err != nil:
		return nil, perennial.Errorf(perennial.CodeInvalid, "cli", "the file %s can't be read", name).Because(err)
	}
	return b, nil
}

func showImport(w io.Writer, out client.ImportResponse) {
	if out.Created {
		fmt.Fprintf(w, "%s is version %s of %s.\n", out.Imported.File, out.Version, out.Model)
	} else {
		fmt.Fprintf(w, "%s is version %s of %s already.\n", out.Imported.File, out.Version, out.Model)
	}
	l := &out.Imported
	field(w, "model", fmt.Sprintf("%s (%s), %s, objective %s", l.Library, l.Format, out.Task, l.Objective))
	used := fmt.Sprintf("%d of %d iterations", l.Trees, l.Iterations)
	if l.Dropped > 0 {
		used += fmt.Sprintf("; the %d after the best iteration don't answer", l.Dropped)
	}
	field(w, "trees", used)
	field(w, "features", len(out.Features))
	for i, class := range out.Classes {
		field(w, fmt.Sprintf("class %d", i), class)
	}
	field(w, "run", out.RunID)
	switch {
	case out.Incompatible != "":
		fmt.Fprintf(w, "Warning: its rollout would be refused. %s Give the schema the columns of the version in service (GET /models/%s/schema), or import under another name.\n", out.Incompatible, out.Model)
	case !out.InService:
		fmt.Fprintf(w, "Next: perennial rollout start %s %s\n", out.Model, out.Version)
	}
}

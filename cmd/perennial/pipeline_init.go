package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/dvc"
	"github.com/perennial-ml/perennial/internal/infer"
	"github.com/perennial-ml/perennial/internal/project"
)

func (c *cli) newPipelineInit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init CSV --target COLUMN",
		Short: "Draft a pipeline and its schema from a CSV file of your own",
		Long: `Read a CSV file (.csv or .csv.gz, with a line of column names) to its end and write pipelines/NAME.yaml and
pipelines/NAME.schema.yaml, with the reason of each choice as a comment. Delimiter, decimal sign, dates, missing
values, ids, free text and the task are found; flags overrule what is found.

A file outside of the project is copied to data/raw/NAME.csv and put under DVC; one inside stays where it is. In a
directory that is no project yet it makes one. Nothing that exists is overwritten without --force.`,
		Example: "  perennial pipeline init churn.csv --target churned\n  perennial pipeline init sales.csv --target revenue --time date --ignore notes,clerk",
		Args:    cobra.ExactArgs(1),
	}
	i := &initialiser{cli: c}
	var task string
	dir := projectFlag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&i.o.Target, "target", "", "the column to predict (required)")
	flags.StringVar(&i.o.Name, "name", "", "name of pipeline and model; default: from the file's name")
	flags.StringVar(&i.o.ID, "id", "", "the column that names each row; never a feature")
	flags.StringVar(&i.o.Time, "time", "", "hold out the latest rows by this column")
	flags.StringVar(&i.o.Group, "group", "", "keep rows of one group on one side")
	flags.StringSliceVar(&i.o.Ignore, "ignore", nil, "columns to leave out")
	flags.StringVar(&i.o.Positive, "positive", "", "the positive class of two")
	flags.StringVar(&task, "task", "", "classification or regression; default: by the target's values")
	flags.BoolVar(&i.force, "force", false, "overwrite what exists")
	flags.BoolVar(&i.dryRun, "dry-run", false, "print both files and write nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		i.o.Task, i.dir, i.csv = perennial.Task(task), filepath.Clean(*dir), args[0]
		switch {
		case i.o.Target == "":
			return usageError{"--target is missing: name the column that is to be predicted"}
		case i.o.Name != "" && !perennial.ValidName(i.o.Name):
			return usageError{"--name takes small letters, digits and hyphens, at most 63, beginning with a letter; not " + i.o.Name}
		case task != "" && i.o.Task != perennial.Classification && i.o.Task != perennial.Regression:
			return usageError{"--task is classification or regression, not " + task}
		case i.o.Time != "" && i.o.Group != "":
			return usageError{"--time and --group are two ways to split the rows: choose one"}
		}
		return i.run(cmd.Context())
	}
	return cmd
}

// initialiser carries out pipeline init.
type initialiser struct {
	*cli
	o             infer.Options
	dir, csv      string
	force, dryRun bool

	source string // the CSV file, absolute
	copies bool   // it is copied into the project
	draft  *infer.Draft
	done   initialised
}

// initialised is what pipeline init did, as --json prints it.
type initialised struct {
	Pipeline    string          `json:"pipeline"`
	Task        perennial.Task  `json:"task"`
	Rows        int             `json:"rows"`
	Columns     int             `json:"columns"`
	Features    int             `json:"features"`
	Data        string          `json:"data"` // relative to the project
	CopiedFrom  string          `json:"copied_from,omitempty"`
	MD5         string          `json:"md5,omitempty"` // of the data, where it was put under DVC
	Wrote       []string        `json:"wrote"`
	MadeProject bool            `json:"made_project"`
	Notes       []infer.Note    `json:"notes"`
	Example     json.RawMessage `json:"example"`
	Next        []string        `json:"next"`
}

func (i *initialiser) run(ctx context.Context) error {
	if err := i.place(); err != nil {
		return err
	}
	f, err := os.Open(i.source)
	if err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, "cli.pipelineInit", "can't read %s", i.csv).Because(err)
	}
	i.draft, err = infer.Infer(ctx, i.csv, f, i.o)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if i.dryRun {
		return i.show()
	}
	if err := i.vacant(); err != nil {
		return err
	}
	if err := i.write(ctx); err != nil {
		return err
	}
	return i.report(ctx)
}

// place finds the file, and where it will be in the project.
func (i *initialiser) place() error {
	const op = "cli.pipelineInit"
	root, err := filepath.Abs(i.dir)
	if err != nil {
		return err
	}
	if straight, err := filepath.EvalSymlinks(root); err == nil {
		root = straight
	}
	if err := noProjectAbove(root); err != nil {
		return err
	}
	for _, at := range []string{i.csv, filepath.Join(root, i.csv)} {
		if i.source, err = filepath.Abs(at); err == nil {
			if i.source, err = filepath.EvalSymlinks(i.source); err == nil {
				break
			}
		}
	}
	info, err := os.Stat(i.source)
	switch {
	case err != nil:
		return perennial.Errorf(perennial.CodeNotFound, op, "%s isn't there", i.csv).WithHint("Name a CSV file.").Because(err)
	case !info.Mode().IsRegular():
		return perennial.Errorf(perennial.CodeInvalid, op, "%s is no regular file", i.csv).WithHint("Name a CSV file.")
	}
	if i.o.Name == "" {
		i.o.Name = infer.NameFor(i.csv)
	}
	lower := strings.ToLower(i.source)
	readable := strings.HasSuffix(lower, ".csv") || strings.HasSuffix(lower, ".csv.gz")
	rel, err := filepath.Rel(root, i.source)
	if err == nil && filepath.IsLocal(rel) && readable && rel[0] != '.' && !strings.ContainsAny(rel, `\`) {
		i.o.Path = filepath.ToSlash(rel)
		return nil
	}
	i.copies, i.o.Path = true, "data/raw/"+i.o.Name+".csv"
	if strings.HasSuffix(lower, ".gz") {
		i.o.Path += ".gz"
	}
	return nil
}

// noProjectAbove refuses a directory within a project, and places where nobody
// wants one.
func noProjectAbove(root string) error {
	if project.Find(root) {
		return nil
	}
	for dir := filepath.Dir(root); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if project.Find(dir) {
			return perennial.Errorf(perennial.CodePrecondition, "cli.pipelineInit", "%s lies in the project %s", root, dir).WithHint("Run it there, or with --project %s.", dir)
		}
	}
	if home, err := os.UserHomeDir(); root == filepath.Dir(root) || err == nil && root == home {
		return perennial.Errorf(perennial.CodePrecondition, "cli.pipelineInit", "%s is no project, and hardly the place for one", root).WithHint("Make one with: perennial init DIR")
	}
	return nil
}

// at gives the place of a file of the project.
func (i *initialiser) at(rel string) string { return filepath.Join(i.dir, filepath.FromSlash(rel)) }

// vacant refuses to overwrite. A copy of the data that is there already is fine.
func (i *initialiser) vacant() error {
	var taken []string
	for file, content := range map[string][]byte{i.draft.PipelineFile: i.draft.Pipeline, i.draft.SchemaFile: i.draft.Schema} {
		if b, err := os.ReadFile(i.at(file)); err == nil && !bytes.Equal(b, content) {
			taken = append(taken, file)
		}
	}
	if i.copies {
		same, err := sameContent(i.source, i.at(i.o.Path))
		if err != nil {
			return err
		}
		if !same {
			taken = append(taken, i.o.Path)
		}
	}
	if len(taken) == 0 || i.force {
		return nil
	}
	e := perennial.Errorf(perennial.CodeConflict, "cli.pipelineInit", "%s exists with other content; nothing was written", taken[0]).
		WithHint("Choose another --name, or overwrite with --force.")
	for _, file := range taken {
		e.Fields = append(e.Fields, perennial.FieldError{File: file, Rule: "exists", Message: "exists with other content."})
	}
	return e
}

// sameContent reports whether a copy is missing or equal.
func sameContent(source, copied string) (bool, error) {
	if _, err := os.Stat(copied); errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	a, _, err := dvc.HashFile(source)
	if err != nil {
		return false, err
	}
	b, _, err := dvc.HashFile(copied)
	return a == b, err
}

// write makes the project where there is none and writes every file, the
// pipeline last.
func (i *initialiser) write(ctx context.Context) error {
	i.done.MadeProject = !project.Find(i.dir)
	if err := project.Init(i.dir, false); err != nil {
		return err
	}
	if i.copies {
		if err := i.copyData(ctx); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		file string
		text []byte
	}{{i.draft.SchemaFile, i.draft.Schema}, {i.draft.PipelineFile, i.draft.Pipeline}} {
		if err := replaceFile(i.at(f.file), f.text); err != nil {
			return err
		}
		i.done.Wrote = append(i.done.Wrote, f.file)
	}
	added, err := project.AddStage(i.dir, project.Stage{
		Name: i.draft.Name, Data: i.o.Path, PipelineFile: i.draft.PipelineFile, SchemaFile: i.draft.SchemaFile,
		Classes: i.draft.Spec.Pipeline.Task == perennial.Classification,
	})
	if added {
		i.done.Wrote = append(i.done.Wrote, "dvc.yaml")
	}
	return err
}

// copyData copies the file into the project and puts it under DVC.
func (i *initialiser) copyData(ctx context.Context) error {
	const op = "cli.pipelineInit"
	target := i.at(i.o.Path)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // a project is shared
		return perennial.Errorf(perennial.CodeUnavailable, op, "can't write to %s", filepath.Dir(target)).Because(err)
	}
	in, err := os.Open(i.source)
	if err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, op, "can't read %s", i.csv).Because(err)
	}
	defer in.Close() //nolint:errcheck // only read from
	temp, err := os.CreateTemp(filepath.Dir(target), ".perennial-*")
	if err == nil {
		_, err = io.Copy(temp, in)
		err = errors.Join(err, temp.Chmod(0o644), temp.Close())
		if err == nil {
			err = os.Rename(temp.Name(), target)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(temp.Name()))
		}
	}
	if err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, op, "can't write %s", target).Because(err)
	}
	repo, err := dvc.Open(i.dir)
	if err != nil {
		return err
	}
	p, err := repo.Add(ctx, i.o.Path)
	if err != nil {
		return err
	}
	i.done.CopiedFrom, i.done.MD5 = i.source, p.MD5
	i.done.Wrote = append(i.done.Wrote, i.o.Path, i.o.Path+".dvc")
	return nil
}

// show prints both files.
func (i *initialiser) show() error {
	if i.json {
		return i.print(map[string]any{"pipeline": string(i.draft.Pipeline), "schema": string(i.draft.Schema), "notes": i.draft.Notes}, nil)
	}
	_, err := fmt.Fprintf(i.out, "# %s\n%s\n# %s\n%s", i.draft.PipelineFile, i.draft.Pipeline, i.draft.SchemaFile, i.draft.Schema)
	return err
}

// report says what was done and what comes next.
func (i *initialiser) report(ctx context.Context) error {
	d := i.draft
	p := &d.Spec.Pipeline
	i.done.Pipeline, i.done.Task, i.done.Rows, i.done.Columns = d.Name, p.Task, d.Rows, d.Columns
	i.done.Features, i.done.Data, i.done.Example = len(d.Spec.Schema.Features()), i.o.Path, d.Example
	i.done.Notes = append([]infer.Note{}, d.Notes...)
	i.done.Next = i.next(ctx)
	return i.print(i.done, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s of %s from %d features, %d rows.\n", d.Name, p.Task, p.Data.Target, i.done.Features, d.Rows)
		for _, n := range i.done.Notes {
			mark, column := "-", ""
			if n.Warning {
				mark = "!"
			}
			if n.Column != "" {
				column = n.Column + ": "
			}
			fmt.Fprintf(w, "  %s %s%s\n", mark, column, n.Text)
		}
		if i.done.MadeProject {
			fmt.Fprintf(w, "%s is a project now.\n", i.dir)
		}
		if i.copies {
			fmt.Fprintf(w, "Copied %s to %s and put it under DVC (md5 %s).\n", i.csv, i.at(i.o.Path), short(i.done.MD5))
		}
		fmt.Fprintf(w, "Wrote %s and %s; each choice has its reason there.\n\nNext:\n", i.at(d.PipelineFile), i.at(d.SchemaFile))
		for _, line := range i.done.Next {
			fmt.Fprintf(w, "  %s\n", line)
		}
	})
}

// next gives the commands that lead to predictions: those for a running
// Perennial where one answers, else its start.
func (i *initialiser) next(ctx context.Context) []string {
	name, in := i.draft.Name, ""
	if i.dir != "." {
		in = " --project " + shellText(i.dir)
	}
	lines := []string{"perennial up" + in + "   # trains it and puts it into service; then, in another terminal:"}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if api, err := i.client(); err == nil {
		if _, err := api.Ready(ctx); err == nil && i.done.MadeProject {
			i.done.Notes = append(i.done.Notes, infer.Note{Warning: true, Text: "the Perennial that answers at " + i.api + " runs on another project than this new one; stop it, or start this one on other ports"})
		} else if err == nil {
			lines = []string{"perennial pipeline apply " + shellText(i.at(i.draft.PipelineFile)) + in}
		}
	}
	return append(lines,
		"perennial train "+name+" --wait"+in,
		fmt.Sprintf("curl -s %s/predict -H 'content-type: application/json' -d %s", i.api, shellText(fmt.Sprintf(`{"model":%q,"features":%s}`, name, i.draft.Example))),
		"perennial predict "+name+" --input "+shellText(i.at(i.o.Path))+" --output answers.csv")
}

// shellText quotes a text for a POSIX shell where it needs that.
func shellText(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/serve"
)

// A request carries at most so many rows, and about so many bytes of features.
const (
	batchRows  = 500
	batchBytes = 1 << 20
)

// maxReported is how many refused rows are told of on stderr; the answers name all.
const maxReported = 20

func (c *cli) newPredict() *cobra.Command {
	var input, output string
	var strict bool
	cmd := &cobra.Command{
		Use:   "predict MODEL --input FILE|-",
		Short: "Predict every row of a file",
		Long: `Predict every row of a CSV file, a JSON file (one object, or a list) or a file of JSON lines, told by its extension
and, for standard input, by its first character; any of them may be compressed by gzip. CSV may be written like the
pipeline's data (delimiter, decimal sign, missing values), or with commas and decimal points. The answers come as CSV
for CSV and as JSON lines for JSON, or as the extension of --output says. The rows are sent in batches and logged like
any other prediction.

A row that the model refuses is reported and leaves its answer empty; with --strict it ends the command, and no
output file is written. What the model warned of (a number outside its range, an unknown category) is counted by column
and rule at the end, and stands with each row in JSON answers.`,
		Example: "  perennial predict iris --input flowers.csv --output answers.csv\n  echo '{\"sepal_length\":5.1,\"sepal_width\":3.5,\"petal_length\":1.4,\"petal_width\":0.2}' | perennial predict iris --input -",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&input, "input", "", "CSV, JSON or JSON lines, also .gz; - is standard input")
	cmd.Flags().StringVar(&output, "output", "", "file to write instead of standard output")
	cmd.Flags().BoolVar(&strict, "strict", false, "a refused row ends the command")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		defer func() {
			if err != nil && cmd.Context().Err() != nil {
				err = perennial.Errorf(perennial.CodeUnavailable, "cli.predict", "interrupted").Because(err)
			}
		}()
		if input == "" {
			return usageError{"--input is missing: name a file, or - for standard input"}
		}
		if strings.EqualFold(filepath.Ext(output), ".gz") {
			return usageError{"--output is written as plain text: name it without .gz, or pipe the answers through gzip"}
		}
		api, err := c.client()
		if err != nil {
			return err
		}
		schema, err := patiently(cmd.Context(), func() (perennial.Schema, error) { return api.Schema(cmd.Context(), args[0]) })
		if err != nil {
			return err
		}
		rows, closeInput, err := c.openInput(cmd.Context(), input, &schema, func() perennial.CSVOptions {
			p, err := api.Pipeline(cmd.Context(), args[0])
			if err != nil || p.Spec == nil {
				return perennial.CSVOptions{} // an imported model, or a pipeline out of force
			}
			return p.Spec.Data.CSV
		})
		if err != nil {
			return err
		}
		defer closeInput()
		p := &predictor{api: api, model: args[0], strict: strict, versions: map[string]bool{}, sayf: c.sayf}
		return c.predictTo(cmd.Context(), p, rows, output, &schema)
	}
	return cmd
}

// maxPatience is how long a request is sent again, and minPause the pause before.
const (
	maxPatience = 10 * time.Second
	minPause    = 100 * time.Millisecond
)

// patiently sends a request again as the API asks for it: while a version is being
// loaded, or too many requests are at work. It doesn't wait for a training.
func patiently[T any](ctx context.Context, send func() (T, error)) (T, error) {
	until := time.Now().Add(maxPatience)
	for {
		out, err := send()
		wait, again := client.RetryAfter(err)
		_, _, fields := perennial.Explain(err)
		wait = max(wait, minPause)
		if !again || len(fields) == 1 && fields[0].Rule == serve.RuleTraining || time.Now().Add(wait).After(until) {
			return out, err
		}
		select {
		case <-ctx.Done(): // the next request is given up before it is sent
		case <-time.After(wait):
		}
	}
}

// predictTo sends every row and writes the answers to the output file, which
// appears only when all went well, or to standard output.
func (c *cli) predictTo(ctx context.Context, p *predictor, rows rowReader, output string, schema *perennial.Schema) (err error) {
	target, finish, err := c.openOutput(output)
	if err != nil {
		return err
	}
	defer func() { err = finish(err) }()
	csv := rows.isCSV()
	if output != "" {
		csv = strings.EqualFold(filepath.Ext(output), ".csv")
	}
	if csv && !c.json {
		p.out = newCSVAnswers(target, schema)
	} else {
		p.out = newJSONAnswers(target)
	}
	if err := p.all(ctx, rows); err != nil {
		return err
	}
	if err := p.out.flush(); err != nil {
		return cantWrite(output, err)
	}
	by := ""
	if len(p.versions) > 0 {
		by = " by " + strings.Join(slices.Sorted(maps.Keys(p.versions)), ", ")
	}
	p.sayWarnings()
	c.sayf("%d rows predicted%s, %d refused", p.predicted, by, p.refused)
	if p.predicted == 0 && p.refused > 0 {
		return perennial.Errorf(perennial.CodeInvalid, "", "every row was refused").WithHint("GET /models/%s/schema shows the accepted fields.", p.model)
	}
	return nil
}

// predictor sends rows in batches.
type predictor struct {
	api    *client.Client
	model  string
	strict bool
	out    answerWriter
	sayf   func(format string, args ...any)

	predicted, refused int
	versions           map[string]bool
	warnings           warnings
}

// all reads to the end.
func (p *predictor) all(ctx context.Context, rows rowReader) error {
	for more := true; more; {
		batch, err := readBatch(rows)
		more = !errors.Is(err, io.EOF)
		if err != nil && more {
			return err
		}
		if len(batch) > 0 {
			if err := p.batch(ctx, batch); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBatch gives the rows of one request, and io.EOF with the last.
func readBatch(rows rowReader) (batch []inputRow, err error) {
	for size := 0; len(batch) < batchRows && size < batchBytes; {
		r, err := rows.next()
		if err != nil {
			return batch, err
		}
		batch, size = append(batch, r), size+len(r.features)
	}
	return batch, nil
}

// batch predicts some rows and writes their answers. A request is answered whole
// or not at all, so rows that are refused are taken out and the others sent again.
func (p *predictor) batch(ctx context.Context, batch []inputRow) error {
	answers := make([]answerRow, len(batch))
	left := make([]int, len(batch))
	for i := range batch {
		left[i], answers[i].inputRow = i, batch[i]
	}
	for len(left) > 0 {
		var err error
		if left, err = p.ask(ctx, answers, left); err != nil {
			return err
		}
	}
	for i := range answers {
		if err := p.out.write(&answers[i]); err != nil {
			return cantWrite("the answers", err)
		}
	}
	return nil
}

// ask predicts the rows to send and gives those that have to be sent again.
func (p *predictor) ask(ctx context.Context, answers []answerRow, sent []int) (again []int, err error) {
	req := p.request(answers, sent)
	resp, err := patiently(ctx, func() (client.PredictResponse, error) { return p.api.Predict(ctx, req) })
	if err != nil {
		return p.takeOut(err, answers, sent)
	}
	return nil, p.take(&resp, answers, sent)
}

// take puts the answers of a request to the rows that it sent.
func (p *predictor) take(resp *client.PredictResponse, answers []answerRow, sent []int) error {
	if len(resp.Predictions) != len(sent) {
		return perennial.Errorf(perennial.CodeInternal, "cli.predict", "%d rows were sent and %d answers came", len(sent), len(resp.Predictions))
	}
	for k, i := range sent {
		answers[i].Answer, answers[i].version = resp.Predictions[k], resp.Version
	}
	for _, w := range resp.Warnings {
		p.warn(w, answers, sent)
	}
	p.predicted += len(sent)
	p.versions["version "+resp.Version] = true
	return nil
}

// takeOut marks the rows that a request was refused for and gives the others. It
// gives the refusal back where it isn't about rows, or where --strict wants so.
func (p *predictor) takeOut(refusal error, answers []answerRow, sent []int) (good []int, err error) {
	wrong := refusedRows(refusal, len(sent))
	if p.strict || len(wrong) == 0 {
		return nil, p.inFile(refusal, answers, sent)
	}
	for k, i := range sent {
		faults, bad := wrong[k]
		if !bad {
			good = append(good, i)
			continue
		}
		answers[i].fault = strings.Join(faults, " ")
		if p.refused++; p.refused <= maxReported {
			p.sayf("row %d: %s", answers[i].number, answers[i].fault)
		}
		if p.refused == maxReported {
			p.sayf("Further refused rows are named in the answers only.")
		}
	}
	return good, nil
}

func (p *predictor) request(rows []answerRow, sent []int) client.PredictRequest {
	req := client.PredictRequest{Model: p.model}
	keyed := false
	for _, i := range sent {
		req.Instances = append(req.Instances, rows[i].features)
		req.Keys = append(req.Keys, rows[i].key)
		keyed = keyed || rows[i].key != ""
	}
	if !keyed {
		req.Keys = nil
	}
	return req
}

// refusedRows picks the faults of single rows, by their place in the request:
// their paths are /instances/<place>/<field>. It gives none where anything else
// is wrong as well.
func refusedRows(err error, sent int) map[int][]string {
	if perennial.CodeOf(err) != perennial.CodeInvalid {
		return nil
	}
	_, _, fields := perennial.Explain(err)
	wrong := map[int][]string{}
	for _, f := range fields {
		i, ok := instanceOf(f.Path)
		if !ok || i >= sent {
			return nil
		}
		wrong[i] = append(wrong[i], ofRow(f.Message, i))
	}
	return wrong
}

// instanceOf reads the place, from 0, out of a path below /instances.
func instanceOf(path string) (int, bool) {
	rest, ok := strings.CutPrefix(path, "/instances/")
	if !ok {
		return 0, false
	}
	text, _, _ := strings.Cut(rest, "/")
	i, err := strconv.Atoi(text)
	return i, err == nil && i >= 0
}

// ofRow says "the row" where a message names a row by its place in the request,
// which isn't its place in the file.
func ofRow(message string, place int) string {
	return strings.Replace(message, fmt.Sprintf("instances/%d must", place), "the row must", 1)
}

// inFile says of a refused request's faults which rows of the file they are in.
func (p *predictor) inFile(err error, answers []answerRow, sent []int) error {
	message, hint, fields := perennial.Explain(err)
	out := perennial.Errorf(perennial.CodeOf(err), "cli.predict", "%s", message).Because(err)
	out.Hint = hint
	for _, f := range fields {
		if i, ok := instanceOf(f.Path); ok && i < len(sent) {
			f.Path, f.Message = fmt.Sprintf("row %d", answers[sent[i]].number), ofRow(f.Message, i)
		}
		out.Fields = append(out.Fields, f)
	}
	return out
}

// openOutput gives where the answers go, and what to call with the outcome: it
// puts the file in its place, or removes what was written of it. What is there
// and no plain file (/dev/null, a pipe) is written to as it is.
func (c *cli) openOutput(name string) (w io.Writer, finish func(error) error, err error) {
	if name == "" || name == "-" {
		return c.out, func(err error) error { return err }, nil
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a link stays, and its target is replaced
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // the file that the caller names
		if err != nil {
			return nil, nil, cantWrite(name, err)
		}
		return f, func(outcome error) error { return cmp.Or(outcome, closing(name, f)) }, nil
	}
	temp, err := os.CreateTemp(filepath.Dir(name), ".perennial-*")
	if err != nil {
		return nil, nil, cantWrite(name, err)
	}
	return temp, func(outcome error) error {
		err := errors.Join(temp.Chmod(0o644), temp.Close())
		if outcome == nil && err == nil {
			err = os.Rename(temp.Name(), name)
		}
		if outcome == nil && err == nil {
			return nil
		}
		if outcome == nil {
			outcome = cantWrite(name, err)
		}
		_ = os.Remove(temp.Name())
		return outcome
	}, nil
}

func closing(name string, f *os.File) error {
	if err := f.Close(); err != nil {
		return cantWrite(name, err)
	}
	return nil
}

func cantWrite(name string, err error) error {
	return perennial.Errorf(perennial.CodeUnavailable, "cli.predict", "can't write %s", dash(name)).Because(err)
}

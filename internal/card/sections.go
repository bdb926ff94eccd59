package card

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/evaluate/plots"
)

// section is a part of a card, for either form.
type section struct {
	Title    string
	Lines    []string // short sentences of facts
	Table    *table
	List     []string
	Code     string
	Pictures []plots.Title
}

// table is rows of cells below a head; a head of no cells is left out.
type table struct {
	Head []string
	Rows [][]string
}

func (t *table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

// fact adds a row of two cells, unless there is nothing to say.
func (t *table) fact(name, value string) {
	if value != "" {
		t.add(name, value)
	}
}

// title names the card.
func (c *Card) title() string {
	if c.Version == "" {
		return fmt.Sprintf("Model card: %s, run %s", c.Pipeline, c.RunID)
	}
	return fmt.Sprintf("Model card: %s, version %s", c.Pipeline, c.Version)
}

// sections lists what a card says, the pictures among those that are there.
func (c *Card) sections(there func(name string) bool) []section {
	all := []section{
		c.model(), c.results(), c.gates(), c.slices(), c.warnings(), c.data(), c.limits(), c.chosen(), c.candidates(),
		{Title: "Pictures"}, c.resources(), c.versions(), c.again(),
	}
	for i := range all {
		if all[i].Title != "Pictures" {
			continue
		}
		for _, p := range plots.Titles() {
			if there(p.Name) {
				all[i].Pictures = append(all[i].Pictures, p)
			}
		}
	}
	return slices.DeleteFunc(all, func(s section) bool {
		return len(s.Lines) == 0 && (s.Table == nil || len(s.Table.Rows) == 0) && len(s.List) == 0 && s.Code == "" && len(s.Pictures) == 0
	})
}

func (c *Card) model() section {
	t := &table{}
	t.fact("Model", c.Pipeline)
	t.fact("Version", c.Version)
	t.fact("Outcome", string(c.Outcome))
	if c.State != "" && c.State != string(perennial.WorkflowCompleted) {
		t.fact("Training", c.State)
	}
	if c.InService {
		t.fact("In service", "since the end of this training")
	}
	t.fact("Owner", strings.TrimSpace(c.Owner.Team+" "+c.Owner.Contact))
	t.fact("Task", string(c.Task))
	t.fact("Predicts", c.Target)
	t.fact("Classes", some(c.Classes, 20))
	t.fact("Positive class", c.Positive)
	if c.Positive != "" {
		t.fact("Threshold", fmt.Sprintf("%s where its probability is at least %s", c.Positive, number(c.Threshold)))
	}
	t.fact("Algorithm", c.Algorithm)
	t.fact("Trained", span(c.StartedAt, c.EndedAt))
	t.fact("Run", c.RunID)
	t.fact("Workflow", c.WorkflowID)
	t.fact("Triggered by", strings.TrimSpace(c.Trigger+" "+c.Actor))
	t.fact("Reason", c.Reason)
	return section{Title: "Model", Table: t}
}

// results sets every metric beside the baseline and the champion.
func (c *Card) results() section {
	if c.Report == nil {
		return section{}
	}
	t := &table{Head: []string{"Metric", "Value", fmt.Sprintf("%.0f %% interval", 100*c.Report.Level), "Baseline", "Better is"}}
	if c.Champion != nil && c.Champion.Rows > 0 {
		t.Head = append(t.Head, "Version "+c.Champion.Version)
	}
	own := c.Champion != nil && c.Champion.Rows != c.Report.N
	if own && c.Champion.Rows > 0 {
		t.Head = append(t.Head, "This model on its rows")
	}
	for _, m := range c.Report.Metrics {
		better := "lower"
		if m.HigherIsBetter {
			better = "higher"
		}
		row := []string{m.Name, number(m.Value), interval(m.Interval), valueOf(c.Report.Baseline, m.Name), better}
		if c.Champion != nil && c.Champion.Rows > 0 {
			row = append(row, valueOf(c.Champion.Champion, m.Name))
			if own {
				row = append(row, valueOf(c.Champion.Candidate, m.Name))
			}
		}
		t.add(row...)
	}
	s := section{Title: "Results", Table: t, Lines: []string{
		fmt.Sprintf("On %s held out, scored once%s. Intervals: percentile bootstrap over these rows, seed %d.", rows(c.Report.N), c.scored(), c.Report.Seed),
		"Baseline: " + map[perennial.Task]string{
			perennial.Classification: "the most frequent class of the training rows, with the class shares as probabilities.",
			perennial.Regression:     "the mean of the training rows.",
		}[c.Task],
	}}
	switch {
	case c.Champion == nil:
	case c.Champion.Rows == 0:
		s.Lines = append(s.Lines, fmt.Sprintf("Version %s, in service, couldn't be scored on these rows.", c.Champion.Version))
	default:
		s.Lines = append(s.Lines, fmt.Sprintf("Version %s was in service; it was scored on the %s of these that it wasn't trained on.", c.Champion.Version, rows(c.Champion.Rows)))
	}
	return s
}

// scored says which sides the evaluated rows are of.
func (c *Card) scored() string {
	holdout, stream := c.Sides[perennial.SideHoldout], c.Sides[perennial.SideStream]
	switch {
	case c.Data.FeedbackRows > 0 && stream > 0:
		return fmt.Sprintf(" (the side holdout; the side stream, %s, is left out because feedback is among the data)", rows(stream))
	case c.Data.FeedbackRows == 0 && stream > 0:
		return fmt.Sprintf(" (the sides holdout, %s, and stream, %s: without feedback nothing was learned from either)", rows(holdout), rows(stream))
	}
	return ""
}

func (c *Card) gates() section {
	if c.Gates == nil {
		return section{}
	}
	t := &table{Head: []string{"Gate", "Verdict", "Value", "Compared with", "Rows", "Message"}}
	for _, g := range c.Gates.Checks {
		t.add(g.Name, string(g.Verdict), number(g.Value), number(g.Reference), strconv.Itoa(g.N), g.Message)
	}
	return section{Title: "Gates", Lines: []string{fmt.Sprintf("Verdict: %s. %s", c.Gates.Verdict, c.Gates.Reason)}, Table: t}
}

func (c *Card) warnings() section {
	if len(c.Warnings) == 0 {
		return section{Title: "Warnings", Lines: []string{"None."}}
	}
	return section{Title: "Warnings", List: c.Warnings}
}

func (c *Card) data() section {
	t := &table{}
	t.fact("File", c.Data.Path)
	t.fact("MD5", c.Data.MD5)
	t.fact("Rows", strconv.Itoa(c.Data.Rows))
	if c.Data.FeedbackRows > 0 {
		t.fact("Of which labelled live predictions", strconv.Itoa(c.Data.FeedbackRows))
	}
	for _, side := range []perennial.Side{perennial.SideTrain, perennial.SideHoldout, perennial.SideStream} {
		t.fact("Rows on the side "+string(side), strconv.Itoa(c.Sides[side]))
	}
	split := string(c.Split.By)
	if c.Split.Column != "" {
		split += " by " + c.Split.Column
	}
	if c.Split.File != "" {
		split += " in " + c.Split.File
	} else {
		split += fmt.Sprintf(", %s %% held out", number(100*c.Split.Test))
	}
	t.fact("Split", fmt.Sprintf("%s, seed %d", split, c.Split.Seed))
	t.fact("Side table, SHA-256", c.Data.Sides)
	t.fact("Features", fmt.Sprintf("%d columns, %d once prepared", len(c.Features), c.Prepared))
	if b, err := json.Marshal(c.Preprocess); err == nil {
		t.fact("Preparation", string(b))
	}
	return section{Title: "Data", Table: t}
}

// limits lists what training saw of every feature: beyond it the model was never
// checked.
func (c *Card) limits() section {
	t := &table{Head: []string{"Feature", "Type", "Seen in training", "Null in training", "Schema allows"}}
	for i := range c.Features {
		f := &c.Features[i]
		t.add(f.Name, string(f.Type), f.seen(), share(f.Nulls, f.Rows+f.Nulls), f.allowed())
	}
	return section{Title: "Limits", Lines: []string{"What the training rows held, column by column: the model was fitted on nothing else."}, Table: t}
}

func (f *Feature) seen() string {
	switch {
	case f.Rows == 0:
		return "no value"
	case f.Type == perennial.TypeCategorical:
		return fmt.Sprintf("%d values: %s", len(f.Values), some(f.Values, 8))
	case f.Type == perennial.TypeBoolean && f.Min == f.Max:
		return strconv.FormatBool(f.Min != 0)
	case f.Type == perennial.TypeBoolean:
		return "false, true"
	}
	return f.value(f.Min) + " to " + f.value(f.Max)
}

func (f *Feature) value(v float64) string {
	if f.Type == perennial.TypeDate {
		return time.Unix(int64(math.Round(v*86400)), 0).UTC().Format(f.DateLayout())
	}
	return number(v)
}

func (f *Feature) allowed() string {
	var out []string
	if f.Range != nil {
		text := number(f.Range[0]) + " to " + number(f.Range[1])
		if f.OutOfRange != "" {
			text += ", beyond: " + string(f.OutOfRange)
		}
		out = append(out, text)
	}
	if f.Type == perennial.TypeCategorical && f.Unknown != "" {
		out = append(out, "unknown: "+string(f.Unknown))
	}
	if f.Nullable {
		out = append(out, "null")
	}
	return strings.Join(out, "; ")
}

func (c *Card) chosen() section {
	t := &table{Head: []string{"Parameter", "Value"}}
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		t.add(name, fmt.Sprint(c.Params[name]))
	}
	s := section{Title: "Chosen parameters", Table: t, Lines: []string{fmt.Sprintf("%s, chosen by %s on folds of the training side (budget: %s).", c.Algorithm, c.Select, c.Budget)}}
	if c.Ended != "" {
		s.Lines = append(s.Lines, fmt.Sprintf("The fit ended as %s after %d iterations.", c.Ended, c.Iterations))
	}
	return s
}

func (c *Card) candidates() section {
	if c.Candidates == nil {
		return section{}
	}
	return section{Title: "Candidates", Table: comparison(c.Candidates)}
}

// comparison is the table of candidates.
func comparison(in *evaluate.Candidates) *table {
	t := &table{Head: []string{"Candidate", in.Metric + ", mean ± sd", "Folds", "Trials (failed)", "Seconds", "CPU seconds", "Peak memory of the process", "Parameters"}}
	for _, k := range in.Candidates {
		name, score := k.Algorithm, number(k.Mean)+" ± "+fmt.Sprintf("%.2g", k.Std)
		switch {
		case k.Failure != "":
			name, score = name+" (failed)", ""
		case k.Selected:
			name += " (selected)"
		case k.Stopped:
			name += " (stopped)"
		}
		params := make([]string, 0, len(k.Params))
		for _, p := range slices.Sorted(maps.Keys(k.Params)) {
			params = append(params, fmt.Sprintf("%s=%v", p, k.Params[p]))
		}
		text := strings.Join(params, ", ")
		if k.Failure != "" {
			text = "Why: " + k.Failure
		}
		t.add(name, score, strconv.Itoa(len(k.Scores)), fmt.Sprintf("%d (%d)", k.Trials, k.Failed), seconds(k.Wall), seconds(k.CPU), bytes(float64(k.Memory)), text)
	}
	return t
}

func (c *Card) resources() section {
	t := &table{}
	t.fact("Seconds, start to end", seconds(c.Resources.Wall))
	t.fact("CPU seconds of trials, fit and evaluation", seconds(c.Resources.CPU))
	t.fact("Peak memory of the process", bytes(c.Resources.Memory))
	return section{Title: "Resources", Table: t}
}

func (c *Card) versions() section {
	l, t := c.Lineage, &table{}
	t.fact("Perennial", l.Build)
	t.fact("Training code", l.Trainer)
	t.fact("Go", l.Go)
	t.fact("Platform", l.Platform)
	t.fact("Project commit", l.ProjectCommit)
	if l.ProjectDirty {
		t.fact("Project", "had changes that weren't committed")
	}
	t.fact("Pipeline revision", l.PipelineRevision)
	t.fact("Model file, SHA-256", l.ModelSHA256)
	t.fact("Parameters, SHA-256", l.ParamsSHA256)
	t.fact("Schema, SHA-256", l.SchemaSHA256)
	t.fact("Seed", strconv.FormatInt(l.Seed, 10))
	return section{Title: "Versions", Table: t}
}

func (c *Card) again() section {
	return section{Title: "How to reproduce", Code: "perennial reproduce " + c.RunID}
}

package infer

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

// writer writes the two files.
type writer struct {
	*planner
	columns []choice
	draft   *Draft
	b       strings.Builder
}

func (w *writer) linef(format string, args ...any) {
	fmt.Fprintf(&w.b, format+"\n", args...)
}

// whyf writes a comment of its own line or lines.
func (w *writer) whyf(format string, args ...any) {
	line := "#"
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		if len(line)+len(word) > 100 {
			w.linef("%s", line)
			line = "#"
		}
		line += " " + word
	}
	w.linef("%s", line)
}

// pipeline gives the pipeline file.
func (w *writer) pipeline() []byte {
	d, a := w.draft, w.a
	w.b.Reset()
	w.whyf("Predicts %s. Drafted by perennial pipeline init from %d rows and %d columns; it is yours now, so change what you know better. Every setting that is not here has its default: perennial pipeline show %s --defaults.",
		quoted(a.column.Name), w.s.rows, d.Columns, d.Name)
	w.linef("version: 1\nname: %s", d.Name)
	w.whyf("The target holds %s.", a.why)
	w.linef("task: %s", a.task)
	w.data()
	w.linef("schema: %s   # what each column is, and why", d.SchemaFile)
	w.split()
	w.preprocess()
	cs := candidates(a)
	w.linef("candidates:")
	for _, c := range cs {
		w.linef("  - %s   # %s", flowCandidate(c.Candidate), c.why)
	}
	t := tuning(a, cs)
	switch {
	case len(a.classes) == 2 && a.counts[a.smallest] < 3:
		w.whyf("2 folds: %s has %d rows, too few for each fold to hold one.", quoted(a.smallest), a.counts[a.smallest])
	case len(w.a.counts) > 0 && t.Folds < 5 && a.rows <= manyRows:
		w.whyf("%d folds: a class has so few rows that more would leave folds without it.", t.Folds)
	case t.Folds == 10:
		w.whyf("10 folds: with few rows one split says little.")
	case t.Folds == 3:
		w.whyf("3 folds: with many rows each of them says enough.")
	}
	w.linef("tuning: {strategy: %s, trials: %d, max_time: 10m, folds: %d, seed: %d}", t.Strategy, t.Trials, t.Folds, t.Seed)
	w.judge()
	return []byte(w.b.String())
}

// data writes where the table is and how it is read.
func (w *writer) data() {
	a, o := w.a, w.f.options(w.s.dialect)
	w.linef("data:\n  path: %s\n  target: %s", quoted(w.o.Path), quoted(a.column.Name))
	if a.positive != "" {
		why := "the class that scores and threshold are about; the other one is " + quoted(other(a.classes, a.positive))
		if a.word != "" {
			why = fmt.Sprintf("the rare class, %s of the rows, which scores and threshold are about; where they are to be about %s, draft anew with --positive %[2]s", percent(a.share), quoted(a.word))
		}
		w.linef("  positive: %s   # %s", quoted(a.positive), comment(why))
	}
	w.linef("  csv:")
	w.linef("    delimiter: %s", jsonText(o.Delimiter))
	if o.Decimal != "." {
		w.linef("    decimal: %q   # %s", o.Decimal, "1,5 is one and a half")
	}
	if o.Thousands != "" {
		w.linef("    thousands: %s   # between groups of three digits", jsonText(o.Thousands))
	}
	if o.Negative != "" {
		w.linef("    negative: %s   # (12) is -12", o.Negative)
	}
	if len(o.Strip) > 0 {
		w.linef("    strip: %s   # taken away from numbers; requests send numbers without them", flowTexts(o.Strip))
	}
	why := ""
	if len(o.NullValues) > 1 {
		why = "   # these texts stand for a missing value; take out what is a value here"
	}
	w.linef("    null_values: %s%s", flowTexts(o.NullValues), why)
	if a.missing > 0 {
		w.linef("    null_target: drop   # %d of %d rows have no target", a.missing, w.s.rows)
	}
}

func other(classes []string, positive string) string {
	for _, c := range classes {
		if c != positive {
			return c
		}
	}
	return ""
}

func (w *writer) split() {
	a := w.a
	switch {
	case w.o.Time != "":
		w.whyf("By time: the latest fifth is held out, so that the score says how well the past predicts what comes after it.")
		w.linef("split: {by: time, column: %s, test: 0.2, seed: 42}", quoted(w.o.Time))
	case w.o.Group != "":
		w.whyf("By group: rows of one %s are never both learned from and tested on.", quoted(w.o.Group))
		w.linef("split: {by: group, column: %s, test: 0.2, seed: 42}", quoted(w.o.Group))
	case a.task == perennial.Classification:
		w.whyf("Stratified: each class keeps its share on both sides; %s, the smallest, has %s of the rows.", quoted(a.smallest), percent(a.share))
		w.linef("split: {by: stratified, test: 0.2, seed: 42}")
	default:
		w.whyf("A fifth of the rows, drawn at random, is held out and scored once.")
		w.linef("split: {by: random, test: 0.2, seed: 42}")
	}
}

func percent(share float64) string {
	return strconv.FormatFloat(share*100, 'g', 2, 64) + " %"
}

// preprocess writes what columns need besides their type's preparation.
func (w *writer) preprocess() {
	var lines []string
	for _, c := range w.columns {
		name := quoted(c.column.Name)
		switch {
		case !c.feature():
		case c.encode != "":
			lines = append(lines, fmt.Sprintf("    %s: {encode: %s, smoothing: 20}   # too many values for a column each: the target's mean by value, out of fold", name, c.encode))
		case c.column.Type == perennial.TypeDate:
			parts, why := []string{"days", "month", "weekday"}, "days is the day's number, for what grows with time"
			if c.column.Name == w.o.Time {
				parts, why = []string{"month", "weekday"}, "not the day itself: later ones are never among those learned from"
			}
			if c.clock {
				parts = append(parts, "hour")
			}
			lines = append(lines, fmt.Sprintf("    %s: {parts: [%s]}   # %s", name, strings.Join(parts, ", "), why))
		}
	}
	w.whyf("Each algorithm gets numbers and categories prepared as it takes them best.")
	if len(lines) == 0 {
		w.linef("preprocess: {}")
		return
	}
	w.linef("preprocess:\n  columns:\n%s", strings.Join(lines, "\n"))
}

// judge writes how models are chosen and which must not be used.
func (w *writer) judge() {
	a := w.a
	metric, gain, against := "log_loss", 0.01, "log_loss"
	switch {
	case a.task == perennial.Regression:
		metric, gain, against = "rmse", 0.05, "r2"
		w.whyf("RMSE is in the target's own unit, and weighs large errors more.")
	case a.rare():
		metric, gain, against = "average_precision", 0.05, "average_precision"
		w.whyf("Average precision: %s has %s of the rows, so that accuracy would praise a model that never says it.", quoted(a.smallest), percent(a.share))
	default:
		w.whyf("Log loss asks whether the probabilities are right, not only the most probable class.")
		some := a.guessing() / 50
		if a.uneven() && a.positive == a.smallest {
			w.whyf("Average precision, which asks how well the rare class is found, needs %d rows of it.", learnable)
		}
		gain = min(gain, round(some, int(math.Floor(math.Log10(some))), math.Floor))
	}
	w.linef("select: {metric: %s}", metric)
	if a.rare() {
		w.whyf("The probability from which %s is answered, chosen on the folds: 0.5 is seldom reached by a rare class. (Weighing the classes, params: {class_weight: balanced}, does the same to the answers, and spoils the probabilities.)", quoted(a.positive))
		w.linef("threshold: {maximize: f1}")
	}
	if a.task == perennial.Regression && a.rows < gated {
		w.whyf("No gate: of %d rows too few are held out to measure anything. With %d and more: {metric: r2, vs: baseline, min_gain: 0.05}.", a.rows, gated)
		w.linef("gates: []")
		return
	}
	w.whyf("Only a model that beats guessing (the %s) is registered, and none that is clearly worse than the one in service.", map[perennial.Task]string{perennial.Classification: "classes' shares", perennial.Regression: "mean"}[a.task])
	if metric == "log_loss" && gain < 0.01 {
		w.whyf("The classes are so uneven that guessing has a log loss of %.2g only: a fiftieth of it is to be gained.", a.guessing())
	}
	w.linef("gates:\n  - {metric: %s, vs: baseline, min_gain: %s}\n  - {metric: %s, vs: champion, max_regression: \"5%%\"}", against, number64(gain), metric)
}

// schema gives the schema file.
func (w *writer) schema() []byte {
	compact := len(w.columns) > compactAt
	w.b.Reset()
	w.whyf("What each column of %s is: the one contract of training and serving. Ranges hold every row of the file, and a value outside is answered with a warning; a column is nullable where a row had none.", w.o.Path)
	w.linef("version: 1\ncolumns:")
	for i := range w.columns {
		c := &w.columns[i]
		if c.unnamed {
			continue
		}
		why := ""
		if c.why != "" && (!compact || !c.feature()) {
			why = "   # " + comment(c.why)
		}
		w.linef("  %s: %s%s", quoted(c.column.Name), flowColumn(&c.column), why)
	}
	w.linef("extra_columns: ignore   # what a request sends besides; reject names misspelt fields")
	return []byte(w.b.String())
}

func flowColumn(c *perennial.Column) string {
	var parts []string
	add := func(key, value string) { parts = append(parts, key+": "+value) }
	if c.Role != perennial.RoleFeature {
		add("role", string(c.Role))
	}
	if c.Type != "" {
		add("type", string(c.Type))
	}
	if c.Format != "" {
		add("format", jsonText(c.Format))
	}
	if len(c.Values) > 0 {
		add("values", flowTexts(c.Values))
	}
	if c.MaxValues > 0 {
		add("max_values", strconv.Itoa(c.MaxValues))
	}
	if c.Unknown != "" {
		add("unknown", string(c.Unknown))
	}
	if c.Range != nil {
		add("range", "["+number64(c.Range[0])+", "+number64(c.Range[1])+"]")
		add("out_of_range", string(c.OutOfRange))
	}
	if c.Nullable {
		add("nullable", "true")
	}
	if c.Log != "" {
		add("log", string(c.Log))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func flowTexts(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = quoted(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func flowCandidate(c perennial.Candidate) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{algorithm: %s", c.Algorithm)
	if len(c.Params) > 0 {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(c.Params)) {
			parts = append(parts, fmt.Sprintf("%s: %v", name, c.Params[name]))
		}
		fmt.Fprintf(&b, ", params: {%s}", strings.Join(parts, ", "))
	}
	if len(c.Search) > 0 {
		var parts []string
		for _, s := range c.Search {
			parts = append(parts, fmt.Sprintf("%s: {%s: [%s, %s]}", s.Name, s.Kind, number64(s.Low), number64(s.High)))
		}
		fmt.Fprintf(&b, ", search: {%s}", strings.Join(parts, ", "))
	}
	return b.String() + "}"
}

// number64 writes a number as YAML reads it back exactly.
func number64(v float64) string {
	if v > -1e15 && v < 1e15 && v == float64(int64(v)) {
		return strconv.FormatInt(int64(v), 10)
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if strings.Contains(s, "e") && !strings.Contains(s, ".") {
		s = strings.Replace(s, "e", ".0e", 1) // YAML takes 1e+20 for a text
	}
	return s
}

// comment keeps a comment on its line.
func comment(s string) string { return strings.Join(strings.Fields(s), " ") }

// keywords are texts that YAML doesn't take for texts where they stand bare.
var keywords = map[string]bool{
	"y": true, "n": true, "yes": true, "no": true, "true": true, "false": true, "on": true, "off": true, "null": true, "nan": true, "inf": true, "infinity": true,
}

// quoted writes a text for YAML: bare where that can mean nothing else.
func quoted(s string) string {
	bare := s != "" && s[len(s)-1] != ' ' && !keywords[strings.ToLower(s)]
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		inner := c >= '0' && c <= '9' || strings.IndexByte("_-./() ", c) >= 0
		if !letter && (i == 0 || !inner) {
			bare = false
			break
		}
	}
	if bare {
		return s
	}
	return strings.NewReplacer("\u0085", `\N`, "\ufeff", `\ufeff`, "\u007f", `\u007f`).Replace(jsonText(s))
}

package pipeline

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones load alike where the system has no zone files
	"unicode/utf8"

	"github.com/robfig/cron/v3"

	"github.com/perennial-ml/perennial"
)

// validator checks what a pipeline file must meet by itself.
type validator struct{ *document }

func (v validator) badf(at, rule string, came any, allowed []string, format string, args ...any) {
	v.check(perennial.FieldError{Path: at, Rule: rule, Came: came, Allowed: allowed, Message: fmt.Sprintf(format, args...)})
}

// choice checks a word against the allowed ones.
func (v validator) choice(at, came string, allowed ...string) {
	if slices.Contains(allowed, came) {
		return
	}
	if near, ok := nearest(came, allowed); ok {
		v.badf(at, RuleChoice, came, allowed, "%s can't be %q; did you mean %s?", label(at), shorten(came), near)
		return
	}
	v.badf(at, RuleChoice, came, allowed, "%s can't be %q; it is one of %s.", label(at), shorten(came), strings.Join(allowed, ", "))
}

// between checks a number against an inclusive range.
func between[T cmp.Ordered](v validator, at string, came, low, high T) {
	if within := came >= low && came <= high; !within { // NaN is within no range
		v.badf(at, perennial.RuleRange, came, nil, "%s must be from %v to %v, not %v.", label(at), low, high, came)
	}
}

// inside checks a share, edges excluded.
func (v validator) inside(at string, came float64) {
	if !(came > 0 && came < 1) {
		v.badf(at, perennial.RuleRange, came, nil, "%s must lie between 0 and 1, not be %g.", label(at), came)
	}
}

func (v validator) duration(at string, came perennial.Duration, least time.Duration) {
	if time.Duration(came) < least {
		v.badf(at, perennial.RuleRange, came.String(), nil, "%s must be at least %s, not %s.", label(at), least, came)
	}
}

// unique checks that no text stands twice in a list.
func (v validator) unique(at string, list []string) {
	for i, s := range list {
		if slices.Contains(list[:i], s) {
			v.badf(fmt.Sprintf("%s/%d", at, i), RuleDuplicate, s, nil, "%s lists %q twice.", label(at), shorten(s))
		}
	}
}

// path checks that a path is relative and stays inside the project.
func (v validator) path(at, p string) {
	switch {
	case p == "":
		v.badf(at, perennial.RuleRequired, nil, nil, "%s is missing.", label(at))
	case path.IsAbs(p) || strings.ContainsAny(p, "\\\x00") || len(p) > 1 && p[1] == ':' || path.Clean(p) != p || p == "." || p == ".." || strings.HasPrefix(p, "../"):
		v.badf(at, RulePath, p, nil, "%s must be a path inside the project, relative to its root, with slashes and without . and .. parts; not %q.", label(at), shorten(p))
	}
}

// pipeline runs all checks that need the pipeline alone.
func (v validator) pipeline(p *perennial.Pipeline) {
	if p.Version != 1 {
		v.badf("/version", perennial.RuleRange, p.Version, nil, "version must be 1: this Perennial knows no other form of the file.")
	}
	if !perennial.ValidName(p.Name) {
		v.badf("/name", RuleName, p.Name, nil, "name must be small letters, digits and hyphens, at most 63, beginning with a letter; not %q.", shorten(p.Name))
	}
	v.choice("/task", string(p.Task), string(perennial.Classification), string(perennial.Regression))
	v.path("/schema", p.Schema)
	v.data(p)
	v.split(p)
	v.tuning(p)
	v.threshold(p)
	v.unique("/slices", p.Slices)
	for i, g := range p.Gates {
		v.gate(fmt.Sprintf("/gates/%d", i), g)
	}
	v.rollout(&p.Rollout)
	v.monitor(&p.Monitor)
	v.retrain(&p.Retrain)
	v.duration("/log/retention", p.Log.Retention, time.Second)
}

func (v validator) data(p *perennial.Pipeline) {
	v.path("/data/path", p.Data.Path)
	switch lower := strings.ToLower(p.Data.Path); {
	case strings.HasSuffix(lower, ".csv"), strings.HasSuffix(lower, ".csv.gz"):
	case strings.HasSuffix(lower, ".parquet"):
		v.badf("/data/path", RuleVersion, p.Data.Path, nil, "This version reads CSV only: export %s as .csv or .csv.gz.", shorten(p.Data.Path))
	default:
		v.badf("/data/path", RulePath, p.Data.Path, nil, "data.path must end in .csv or .csv.gz, not be %q.", shorten(p.Data.Path))
	}
	if p.Data.Target == "" {
		v.badf("/data/target", perennial.RuleRequired, nil, nil, "data.target is missing.")
	}
	if c, n := utf8.DecodeRuneInString(p.Data.CSV.Delimiter); n != len(p.Data.CSV.Delimiter) || n == 0 || c == utf8.RuneError || strings.ContainsRune("\"\r\n\x00", c) {
		v.badf("/data/csv/delimiter", perennial.RuleType, p.Data.CSV.Delimiter, nil, "data.csv.delimiter must be one character, not %q.", shorten(p.Data.CSV.Delimiter))
	}
	v.choice("/data/csv/decimal", p.Data.CSV.Decimal, ".", ",")
	if p.Data.CSV.Decimal == p.Data.CSV.Delimiter {
		v.badf("/data/csv/decimal", RuleApplies, p.Data.CSV.Decimal, nil, "data.csv.decimal and data.csv.delimiter are both %q; with decimal commas the delimiter is usually a semicolon.", p.Data.CSV.Decimal)
	}
	v.unique("/data/csv/null_values", p.Data.CSV.NullValues)
	v.numbers(p.Data.CSV)
	v.duration("/data/feedback/max_age", p.Data.Feedback.MaxAge, time.Second)
	between(v, "/data/feedback/max_share", p.Data.Feedback.MaxShare, 0, 1)
}

// numbers checks how numbers are written, besides their decimal sign.
func (v validator) numbers(o perennial.CSVOptions) {
	if o.Thousands != "" {
		v.choice("/data/csv/thousands", o.Thousands, ",", ".", " ", "'", "\u00a0", "\u202f", "_")
		if o.Thousands == o.Decimal {
			v.badf("/data/csv/thousands", RuleApplies, o.Thousands, nil, "data.csv.thousands and data.csv.decimal are both %q.", o.Decimal)
		}
	}
	for i, s := range o.Strip {
		if at := fmt.Sprintf("/data/csv/strip/%d", i); s == "" || strings.ContainsAny(s, "0123456789+-.,") {
			v.badf(at, perennial.RuleType, s, nil, "%s must be a sign or unit beside numbers, like $ or EUR, without digits, points and commas; not %q.", label(at), shorten(s))
		}
	}
	v.unique("/data/csv/strip", o.Strip)
	if o.Negative != "" {
		v.choice("/data/csv/negative", o.Negative, perennial.NegativeMinus, perennial.NegativeParentheses)
	}
	if o.NullTarget != "" {
		v.choice("/data/csv/null_target", o.NullTarget, perennial.NullTargetReject, perennial.NullTargetDrop)
	}
}

func (v validator) split(p *perennial.Pipeline) {
	s := p.Split
	if p.Task != "" {
		v.choice("/split/by", string(s.By), string(perennial.SplitRandom), string(perennial.SplitStratified), string(perennial.SplitGroup), string(perennial.SplitTime), string(perennial.SplitGiven))
	}
	v.inside("/split/test", s.Test)
	between(v, "/split/stream", s.Stream, 0, 1)
	if s.By == perennial.SplitStratified && p.Task == perennial.Regression {
		v.badf("/split/by", RuleApplies, string(s.By), nil, "A stratified split needs classes: use random for regression.")
	}
	if slices.ContainsFunc(v.faults, func(f perennial.FieldError) bool { return f.Path == "/split/by" || f.Path == "/task" }) {
		return // what belongs to the split isn't known
	}
	switch column := s.By == perennial.SplitGroup || s.By == perennial.SplitTime; {
	case column && s.Column == "":
		v.badf("/split/column", perennial.RuleRequired, nil, nil, "split.column is missing: a split by %s needs one.", s.By)
	case !column && s.Column != "":
		v.badf("/split/column", RuleApplies, s.Column, nil, "split.column belongs to a split by group or time; this one is %s.", s.By)
	}
	switch {
	case s.By == perennial.SplitGiven:
		v.path("/split/file", s.File)
	case s.File != "":
		v.badf("/split/file", RuleApplies, s.File, nil, "split.file belongs to a given split; this one is %s.", s.By)
	}
}

func (v validator) tuning(p *perennial.Pipeline) {
	if n := len(p.Candidates); n == 0 || n > 100 {
		v.badf("/candidates", perennial.RuleRequired, nil, nil, "There must be 1 to 100 candidates, not %d.", n)
	}
	v.choice("/tuning/strategy", p.Tuning.Strategy, "grid", "random", "tpe", "asha")
	between(v, "/tuning/trials", p.Tuning.Trials, 1, 10000)
	v.duration("/tuning/max_time", p.Tuning.MaxTime, time.Second)
	between(v, "/tuning/folds", p.Tuning.Folds, 2, 50)
	between(v, "/tuning/parallel", p.Tuning.Parallel, 1, 256)
}

func (v validator) threshold(p *perennial.Pipeline) {
	t := p.Threshold
	if t == nil {
		return
	}
	if p.Task == perennial.Regression {
		v.badf("/threshold", RuleApplies, nil, nil, "threshold belongs to classification with two classes.")
		return
	}
	_, written := v.lines["/threshold/value"]
	set := count(written || t.Value != 0, t.Maximize != "", t.Cost != nil)
	switch {
	case set != 1:
		v.badf("/threshold", RuleOneOf, nil, []string{"value", "maximize", "cost"}, "threshold must have exactly one of value, maximize and cost; it has %d.", set)
	case t.Maximize == "" && t.Cost == nil:
		v.inside("/threshold/value", t.Value)
	case t.Cost != nil:
		v.cost(t.Cost.FalsePositive, t.Cost.FalseNegative)
	}
}

// cost checks what the two kinds of wrong answers cost.
func (v validator) cost(positive, negative float64) {
	least := func(at string, came float64) {
		if !(came >= 0) { // NaN fails too
			v.badf(at, perennial.RuleRange, came, nil, "%s must be at least 0, not %g.", label(at), came)
		}
	}
	least("/threshold/cost/false_positive", positive)
	least("/threshold/cost/false_negative", negative)
	if positive == 0 && negative == 0 {
		v.badf("/threshold/cost", perennial.RuleRange, nil, nil, "threshold.cost has no cost above 0: one of false_positive and false_negative must be.")
	}
}

func (v validator) gate(at string, g perennial.Gate) {
	bounds := []string{"min_gain", "max_regression", "min", "max"}
	set := count(g.MinGain != nil, g.MaxRegression != nil, g.Min != nil, g.Max != nil)
	compares := g.MinGain != nil || g.MaxRegression != nil
	switch {
	case set != 1:
		v.badf(at, RuleOneOf, nil, bounds, "%s must have exactly one of %s; it has %d.", label(at), strings.Join(bounds, ", "), set)
	case compares && g.Versus == "":
		v.badf(join(at, "vs"), perennial.RuleRequired, nil, []string{"baseline", "champion"}, "%s.vs is missing: min_gain and max_regression compare with baseline or champion.", label(at))
	case !compares && g.Versus != "":
		v.badf(join(at, "vs"), RuleApplies, g.Versus, nil, "%s.vs doesn't go with min and max, which are absolute.", label(at))
	case compares:
		v.choice(join(at, "vs"), g.Versus, "baseline", "champion")
	}
	if g.MaxRegression != nil && g.MaxRegression.Value < 0 {
		v.badf(join(at, "max_regression"), perennial.RuleRange, g.MaxRegression.String(), nil, "%s.max_regression must be at least 0.", label(at))
	}
}

func (v validator) rollout(r *perennial.RolloutSpec) {
	v.choice("/rollout/approval", r.Approval, "none", "operator")
	between(v, "/rollout/shadow/min_requests", r.Shadow.MinRequests, 0, 1_000_000_000)
	for i, s := range r.Steps {
		at := fmt.Sprintf("/rollout/steps/%d", i)
		between(v, at, s, 1, 99)
		if i > 0 && s <= r.Steps[i-1] {
			v.badf(at, perennial.RuleRange, s, nil, "rollout.steps must grow: %d follows %d.", s, r.Steps[i-1])
		}
	}
	between(v, "/rollout/min_requests", r.MinRequests, 1, 1_000_000_000)
	between(v, "/rollout/alpha", r.Alpha, 1e-6, 0.5)
	between(v, "/rollout/guardrails/error_rate/max_increase", r.Guardrails.ErrorRate.MaxIncrease, 0, 1)
	between(v, "/rollout/guardrails/latency_p99/max_ratio", r.Guardrails.LatencyP99.MaxRatio, 1, 1000)
	v.duration("/rollout/guardrails/latency_p99/min_increase", r.Guardrails.LatencyP99.MinIncrease, 0)
	between(v, "/rollout/guardrails/quality/margin", r.Guardrails.Quality.Margin, 0, 1e9)
	v.duration("/rollout/deadline", r.Deadline, time.Second)
	v.choice("/rollout/on_insufficient_data", r.OnInsufficientData, "hold", "promote", "abort")
	v.choice("/rollout/on_new_version", r.OnNewVersion, "restart", "queue")
	v.choice("/rollout/on_alias_change", r.OnAliasChange, "canary", "promote", "refuse")
	v.duration("/rollout/watch/for", r.Watch.For, 0)
	between(v, "/rollout/watch/holdback", r.Watch.Holdback, 0, 99)
}

func (v validator) monitor(m *perennial.MonitorSpec) {
	v.duration("/monitor/every", m.Every, time.Second)
	between(v, "/monitor/drift/min_units", m.Drift.MinUnits, 1, 1_000_000_000)
	v.inside("/monitor/drift/fdr", m.Drift.FDR)
	between(v, "/monitor/drift/min_effect", m.Drift.MinEffect, 0, 1)
	between(v, "/monitor/drift/persist", m.Drift.Persist, 1, 1000)
	between(v, "/monitor/performance/window/labels", m.Performance.Window.Labels, 1, 1_000_000_000)
	set := count(m.Performance.Min != nil, m.Performance.Max != nil)
	switch {
	case set == 2:
		v.badf("/monitor/performance", RuleOneOf, nil, []string{"min", "max"}, "monitor.performance must have min or max, not both.")
	case set == 1 && m.Performance.Metric == "":
		v.badf("/monitor/performance/metric", perennial.RuleRequired, nil, nil, "monitor.performance.metric is missing: min and max bound a metric.")
	case set == 0 && m.Performance.Metric != "":
		v.badf("/monitor/performance", RuleOneOf, nil, []string{"min", "max"}, "monitor.performance needs min or max for %s.", shorten(m.Performance.Metric))
	}
}

func (v validator) retrain(r *perennial.RetrainSpec) {
	if r.Schedule != "" {
		if !ValidSchedule(r.Schedule) {
			v.badf("/retrain/schedule", RuleSchedule, r.Schedule, nil, "retrain.schedule must be five cron fields like \"0 3 * * *\", @daily or @every 6h, not %q; the time zone has a key of its own.", shorten(r.Schedule))
		}
	}
	if !ValidTimezone(r.Timezone) {
		v.badf("/retrain/timezone", RuleSchedule, r.Timezone, nil, "retrain.timezone must be a name like UTC or Europe/Vienna, not %q.", shorten(r.Timezone))
	}
	for i, on := range r.On {
		v.choice(fmt.Sprintf("/retrain/on/%d", i), on, "drift", "degradation", "new_labels")
	}
	v.unique("/retrain/on", r.On)
	between(v, "/retrain/min_new_labels", r.MinNewLabels, 1, 1_000_000_000)
	v.duration("/retrain/cooldown", r.Cooldown, 0)
	between(v, "/retrain/max_per_day", r.MaxPerDay, 1, 1000)
}

// ValidSchedule reports whether s may be retrain.schedule: five cron fields, or a
// shorthand like @daily or @every 6h.
func ValidSchedule(s string) bool {
	// A TZ= prefix, which the parser would take, becomes a field too many.
	_, err := cron.ParseStandard(strings.ReplaceAll(s, "TZ=", "?"))
	return err == nil
}

// ValidTimezone reports whether s names a time zone, as UTC or Europe/Vienna.
func ValidTimezone(s string) bool {
	_, err := time.LoadLocation(s)
	return err == nil && s != "" && s != "Local"
}

func count(set ...bool) int {
	n := 0
	for _, s := range set {
		if s {
			n++
		}
	}
	return n
}

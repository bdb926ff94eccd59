package pipeline

import (
	"reflect"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/models/preprocess"
)

// defaultPipeline is what a file gets that writes nothing but the required keys,
// whatever its task.
func defaultPipeline() perennial.Pipeline {
	const hour = perennial.Duration(time.Hour)
	return perennial.Pipeline{
		Version: 1,
		Data: perennial.DataSource{
			CSV:      perennial.CSVOptions{Delimiter: ",", Decimal: ".", NullValues: []string{"", "NA", "NaN", "null"}},
			Feedback: perennial.FeedbackSpec{Include: true, MaxAge: 720 * hour, MaxShare: 0.5},
		},
		Split: perennial.Split{Test: 0.2, Stream: 0.5, Seed: 42},
		Preprocess: perennial.Preprocess{
			Numeric:     perennial.NumericPrep{Impute: "auto", Transform: "none", Scale: "auto"},
			Categorical: perennial.CategoricalPrep{Impute: "auto", Encode: "auto", Smoothing: preprocess.DefaultSmoothing},
			Boolean:     perennial.BooleanPrep{Impute: "auto"},
			Date:        perennial.DatePrep{Impute: "auto", Parts: []string{"month", "weekday"}, Scale: "auto"},
		},
		Tuning: perennial.Tuning{Strategy: "random", Trials: 20, MaxTime: hour / 3, Folds: 5, Parallel: 2, Seed: 42},
		Gates:  []perennial.Gate{},
		Rollout: perennial.RolloutSpec{
			Approval: "none", Shadow: perennial.ShadowSpec{MinRequests: 100}, Steps: []int{5, 25, 50}, MinRequests: 500, Alpha: 0.05,
			Guardrails: perennial.GuardrailsSpec{
				ErrorRate:  perennial.ErrorRateGuardrail{MaxIncrease: 0.01},
				LatencyP99: perennial.LatencyGuardrail{MaxRatio: 1.5, MinIncrease: perennial.Duration(5 * time.Millisecond)},
				Quality:    perennial.QualityGuardrail{Margin: 0.02},
			},
			Deadline: 24 * hour, OnInsufficientData: "hold", OnNewVersion: "restart", OnAliasChange: "canary",
			Watch: perennial.WatchSpec{For: 24 * hour, Holdback: 5},
		},
		Monitor: perennial.MonitorSpec{
			Every: hour / 4, Drift: perennial.DriftSpec{MinUnits: 500, FDR: 0.05, MinEffect: 0.1, Persist: 3},
			Performance: perennial.PerformanceSpec{Window: perennial.PerformanceWindow{Labels: 500}},
		},
		Retrain: perennial.RetrainSpec{Timezone: "UTC", On: []string{}, MinNewLabels: 50, Cooldown: hour, MaxPerDay: 4},
		Log:     perennial.LogSpec{Features: true, Retention: 720 * hour},
	}
}

// byTask fills in the defaults that depend on the task.
func byTask(p *perennial.Pipeline) {
	by, metric := perennial.SplitStratified, "log_loss"
	switch p.Task {
	case perennial.Classification:
	case perennial.Regression:
		by, metric = perennial.SplitRandom, "rmse"
	default:
		return
	}
	if p.Split.By == "" {
		p.Split.By = by
	}
	for _, m := range []*string{&p.Select.Metric, &p.Rollout.Guardrails.Quality.Metric} {
		if *m == "" {
			*m = metric
		}
	}
}

// zeroCounts lists the values for which 0 or false is a setting of its own.
var zeroCounts = map[string]bool{
	"/data/feedback/include": true, "/data/feedback/max_share": true, "/preprocess/categorical/smoothing": true, "/split/stream": true, "/split/seed": true, "/tuning/seed": true,
	"/rollout/shadow/min_requests": true, "/rollout/guardrails/error_rate/max_increase": true, "/rollout/guardrails/latency_p99/min_increase": true,
	"/rollout/guardrails/quality/margin": true, "/rollout/watch/for": true, "/rollout/watch/holdback": true, "/monitor/drift/min_effect": true,
	"/retrain/cooldown": true, "/retrain/dry_run": true, "/log/features": true,
}

// Defaults fills in what is not set, with the values that CONTRACTS §3 shows;
// by task: split stratified or random, metrics log_loss or rmse. It is for
// pipelines that are built in code: Load has done it already, and doing it
// again changes nothing.
//
// A section (split, rollout, …) that is wholly zero gets all of its defaults.
// In one that is partly set, 0 and false stay where they mean something, as in
// split.stream, rollout.watch.holdback or log.features.
func Defaults(p *perennial.Pipeline) {
	defaults := defaultPipeline()
	fill(reflect.ValueOf(p).Elem(), reflect.ValueOf(defaults), "")
	byTask(p)
}

func fill(to, from reflect.Value, path string) {
	for _, f := range fieldsOf(to.Type()) {
		at, field := join(path, f.name), to.Field(f.index)
		switch {
		case field.Kind() == reflect.Struct && (path != "" || !field.IsZero()):
			fill(field, from.Field(f.index), at)
		case field.IsZero() && !zeroCounts[at]:
			field.Set(from.Field(f.index))
		}
	}
}

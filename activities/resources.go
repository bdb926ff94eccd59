package activities

import (
	"context"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/internal/usage"
)

// The metrics of what a trial, a stage (with the prefix of its name) or a whole
// run cost. Package usage says what they measure.
const (
	metricCPU    = "cpu_seconds"
	metricWall   = "wall_seconds"
	metricMemory = "peak_memory_bytes"
)

// measuredStages are the stages of a run that are measured besides its trials.
var measuredStages = []string{"fit_", "evaluate_"}

func usageMetrics(prefix string, cpu, wall float64, memory, at int64) []perennial.Metric {
	return []perennial.Metric{
		{Key: prefix + metricCPU, Value: cpu, Timestamp: at},
		{Key: prefix + metricWall, Value: wall, Timestamp: at},
		{Key: prefix + metricMemory, Value: float64(memory), Timestamp: at},
	}
}

func trialUsage(t *ledger.Trial, at int64) []perennial.Metric {
	return usageMetrics("", t.CPU, float64(t.Millis)/1000, t.Memory, at)
}

// logUsage puts what a stage cost on the run. Where a stage is tried again, the
// larger figure counts (all have one timestamp).
func (a *Activities) logUsage(ctx context.Context, runID, stage string, used usage.Used) error {
	run, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return err
	}
	return a.Tracker.LogBatch(ctx, runID, usageMetrics(stage+"_", used.CPU.Seconds(), used.Wall.Seconds(), used.PeakMemory, run.StartedAt), nil, nil)
}

// logTotals puts on a run what it cost: the processor time of its trials, its fit
// and its evaluation, the highest memory among them, and the seconds from its
// start to its end, waiting included.
func (a *Activities) logTotals(ctx context.Context, runID string, ended int64) error {
	run, err := a.Tracker.GetRun(ctx, runID)
	if err != nil {
		return err
	}
	trials, err := a.Ledger.Trials(ctx, runID)
	if err != nil {
		return err
	}
	var cpu, memory float64
	for i := range trials {
		cpu += trials[i].CPU
		memory = max(memory, float64(trials[i].Memory))
	}
	for _, stage := range measuredStages {
		v, _ := run.Metric(stage + metricCPU)
		cpu += v
		v, _ = run.Metric(stage + metricMemory)
		memory = max(memory, v)
	}
	wall := float64(ended-run.StartedAt) / 1000
	return a.Tracker.LogBatch(ctx, runID, usageMetrics("", cpu, wall, int64(memory), run.StartedAt), nil, nil)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/models/evaluate"
)

// errDetached ends a command that was interrupted while it followed a workflow;
// everything was said.
var errDetached = errors.New("detached")

// follow waits for a workflow and shows how far it is: a bar on a terminal, else
// a line at each change. An interrupt detaches and leaves the workflow running.
func (c *cli) follow(ctx context.Context, api *client.Client, id, runID string) (client.WorkflowView, error) {
	show, done := c.watcher(ctx, api, id)
	view, err := api.FollowWorkflow(ctx, id, runID, show)
	done()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		c.sayf("Detached: %s goes on. Follow it with: perennial workflow show %s", id, id)
		c.sayf("Cancel it with: perennial workflow cancel %s", id)
		return view, errDetached
	}
	return view, err
}

// watcher gives what shows each state, and what ends the showing.
func (c *cli) watcher(ctx context.Context, api *client.Client, id string) (show func(client.WorkflowView), done func()) {
	if f, ok := c.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return barWatcher(f, id)
	}
	last, seen, waits := "", trialTeller{told: map[int]string{}}, waitTeller{}
	return func(v client.WorkflowView) {
		line := stageText(v)
		if v.Stage == perennial.StageTune && v.Progress != nil && v.Progress.RunID != "" {
			line = fmt.Sprintf("%s, %s", v.Stage, counted(v.Progress.Total, v.Progress.Unit)) // each of them has a line of its own
		}
		var lines []string
		if line != last && !v.State.Terminal() {
			last = line
			lines = []string{line}
		}
		if news := seen.news(ctx, api, v); v.Stage == perennial.StageTune {
			lines = append(lines, news...)
		} else {
			lines = append(news, lines...) // the trials were before the stage that runs now
		}
		if why := waits.news(v); why != "" {
			lines = append(lines, why)
		}
		for _, line := range lines {
			c.sayf("%s: %s", id, line)
		}
	}, func() {}
}

// waitTeller tells why a step is tried again, once per reason and not too often.
type waitTeller struct {
	told string
	at   time.Time
}

const waitEvery = 3 * time.Second

// news gives what there is to tell, "" for nothing new.
func (t *waitTeller) news(v client.WorkflowView) string {
	if v.Retrying == nil {
		return ""
	}
	text := strings.TrimSpace(fmt.Sprintf("%s waits: %s. %s", v.Stage, strings.TrimSuffix(v.Retrying.Message, "."), v.Retrying.Hint))
	if text == t.told || time.Since(t.at) < waitEvery {
		return ""
	}
	t.told, t.at = text, time.Now()
	return text
}

// counted writes a number of things, whose unit is a plural.
func counted(n int, unit string) string {
	if n == 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// trialTeller tells of each trial once it has a result.
type trialTeller struct {
	told map[int]string // by trial: how far it was
	done int
	over bool // the search has ended, and was looked at since

	best  float64 // of the trials told of that have scores on the most folds
	folds int     // of these
}

// news gives a line for each trial that has come further since the last look.
func (s *trialTeller) news(ctx context.Context, api *client.Client, v client.WorkflowView) []string {
	p := v.Progress
	if p == nil || p.RunID == "" {
		return nil
	}
	halving := v.Stage == perennial.StageTune && p.Done == p.Total // all have a score, and some get more
	ended := v.Stage != perennial.StageTune                        // p is there from that stage on
	if p.Done == s.done && !halving && !v.State.Terminal() && ended == s.over {
		return nil
	}
	run, err := api.Run(ctx, p.RunID)
	if err != nil {
		return nil // at the next look, perhaps
	}
	s.done, s.over = p.Done, ended
	var further []client.TrialView
	for _, t := range run.Trials {
		far := fmt.Sprint(t.State == trialFailed, len(t.Scores))
		if t.State == trialProposed || s.told[t.Trial] == far {
			continue
		}
		if p.Best == nil && t.Score != nil && !ended {
			s.done = -1 // without the metric's name its score can't be compared yet: at the next look
			continue
		}
		s.told[t.Trial] = far
		further = append(further, t)
	}
	lines := make([]string, len(further))
	for i, t := range further {
		lines[i] = trialText(t, p, s.leads(t, p.Best))
	}
	return lines
}

// leads reports whether a trial is the best of those told of so far, among those
// with scores on as many folds.
func (s *trialTeller) leads(t client.TrialView, of *client.Best) bool {
	if of == nil || t.State == trialFailed || t.Score == nil || len(t.Scores) < s.folds {
		return false
	}
	metric, ok := evaluate.Lookup(of.Metric)
	first := len(t.Scores) > s.folds
	if !ok || !first && (*t.Score == s.best || metric.HigherIsBetter != (*t.Score > s.best)) {
		return false
	}
	s.best, s.folds = *t.Score, len(t.Scores)
	return true
}

// barWatcher draws one bar over all stages and trials.
func barWatcher(w io.Writer, id string) (show func(client.WorkflowView), done func()) {
	bar := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(id), progressbar.OptionSetWidth(24),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(true))
	waits := waitTeller{}
	show = func(v client.WorkflowView) {
		if why := waits.news(v); why != "" {
			_ = bar.Clear()
			_, _ = fmt.Fprintf(w, "%s: %s\n", id, why)
		}
		total, passed := steps(v)
		bar.ChangeMax(max(total, passed+1)) // never full before the end: a full bar is cleared
		bar.Describe(id + ": " + stageText(v))
		_ = bar.Set(passed)
	}
	return show, func() { _ = bar.Finish() }
}

// steps counts what there is to do and what is done: stages and trials.
func steps(v client.WorkflowView) (total, passed int) {
	total = len(v.Stages)
	for _, s := range v.Stages {
		if s.State != perennial.StagePending && s.State != perennial.StageRunning {
			passed++
		}
	}
	if p := v.Progress; p != nil {
		total, passed = total+p.Total, passed+p.Done
	}
	return total, passed
}

// stageText says what a workflow does just now.
func stageText(v client.WorkflowView) string {
	stage := v.Stage
	if stage == "" {
		stage = "waiting for a worker"
	}
	if p := v.Progress; p != nil && v.Stage == perennial.StageTune {
		text := fmt.Sprintf("%s %d/%d %s", stage, p.Done, p.Total, p.Unit)
		if p.Best != nil {
			text += fmt.Sprintf(", best %s %s", p.Best.Metric, number(&p.Best.Value))
		}
		return text
	}
	return stage
}

package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"unicode"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/activities"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/workflows"
)

// bootstrapName is the actor's name where requests need a token.
const bootstrapName = "bootstrap"

// bootstrap trains every pipeline that has nothing in service, in the bootstrap
// budget, and tells the person at the screen how to try each model. It is the
// program's first user: it knows the API and nothing else.
type bootstrap struct {
	api    *client.Client
	curl   string // what a command line for a person begins with
	train  bool
	screen *Screen
	log    *slog.Logger

	cancel context.CancelFunc
	done   chan struct{}
}

// Name names the part.
func (b *bootstrap) Name() string { return "bootstrap" }

// Failed is nil: a pipeline that can't be trained is shown, and the rest runs on.
func (b *bootstrap) Failed() <-chan error { return nil }

// Start begins in the background, so that what is in service answers at once.
func (b *bootstrap) Start(ctx context.Context) error {
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	b.done = make(chan struct{})
	go func() {
		defer close(b.done)
		if err := b.run(ctx); err != nil && ctx.Err() == nil {
			b.log.Error("bootstrap", "error", err)
			message, hint, _ := perennial.Explain(err)
			b.screen.Sayf("bootstrap", "%s", sentences(message, hint))
		}
	}()
	return nil
}

// Stop stops following; trainings go on in Temporal.
func (b *bootstrap) Stop(context.Context) error {
	if b.cancel != nil {
		b.cancel()
		<-b.done
	}
	return nil
}

func (b *bootstrap) run(ctx context.Context) error {
	pipelines, err := b.api.Pipelines(ctx)
	if err != nil {
		return err
	}
	if len(pipelines.Items) == 0 {
		b.screen.Sayf("pipelines", "none yet: perennial pipeline init CSV --target COLUMN drafts one from your data; then start again, or train it")
	}
	var waiting []string
	runs := map[string]client.TrainResponse{}
	for _, p := range pipelines.Items {
		champion, err := b.champion(ctx, p.Pipeline)
		if err != nil {
			return err
		}
		if champion == "" && b.train {
			last, err := b.rejected(ctx, p)
			if err != nil {
				return err
			}
			runs[p.Pipeline], err = b.api.Train(ctx, p.Pipeline, client.TrainRequest{
				Budget: perennial.BudgetBootstrap, Reason: "nothing in service at start", IfChanged: last,
			})
			if err != nil {
				return err
			}
			waiting = append(waiting, p.Pipeline)
		}
	}
	for _, name := range waiting {
		if err := b.follow(ctx, name, runs[name]); err != nil {
			return err
		}
	}
	return b.invite(ctx, pipelines.Items, len(waiting) > 0)
}

// champion gives the version in service, "" for none.
func (b *bootstrap) champion(ctx context.Context, model string) (string, error) {
	m, err := b.api.Model(ctx, model)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return "", nil
	}
	return m.Traffic.Champion, err
}

// rejected reports whether the gates of today's revision rejected the last
// training of a pipeline that came to an end: the same again would end the same.
func (b *bootstrap) rejected(ctx context.Context, p client.PipelineView) (bool, error) {
	list, err := b.api.Workflows(ctx, p.Pipeline, 100)
	for _, w := range list.Items {
		if w.WorkflowID != workflows.TrainID(p.Pipeline) || w.Result == nil || w.Result.Outcome == perennial.OutcomeUnchanged {
			continue
		}
		if w.Result.Outcome != perennial.OutcomeRejectedByGates {
			return false, err
		}
		run, runErr := b.api.Run(ctx, w.Result.RunID) // of one that was deleted, or whose server is away, nothing is known
		return runErr == nil && run.Params["pipeline_revision"] == p.Revision, err
	}
	return false, err
}

// follow shows a training until it has ended and its version answers.
func (b *bootstrap) follow(ctx context.Context, name string, started client.TrainResponse) error {
	b.screen.Progressf(name, "training …")
	view, err := b.api.FollowWorkflow(ctx, started.WorkflowID, started.WorkflowRunID, func(v client.WorkflowView) {
		waits := ""
		if v.Retrying != nil {
			waits = ", waits: " + v.Retrying.Message
		}
		b.screen.Progressf(name, "training: %s%s%s", v.Stage, counted(v.Progress), waits)
	})
	if err != nil {
		return err
	}
	switch {
	case view.Error != nil:
		b.screen.Sayf(name, "training %s: %s", view.State, sentences(view.Error.Message, view.Error.Hint))
		for _, f := range view.Error.Errors {
			if f.Line > 0 {
				f.File = fmt.Sprintf("%s:%d", f.File, f.Line)
			}
			b.screen.Sayf("", "%s: %s", f.File, f.Message)
		}
		return nil
	case view.Result == nil:
		b.screen.Sayf(name, "training %s", view.State)
		return nil
	case view.Result.Outcome == perennial.OutcomeUnchanged:
		b.screen.Sayf(name, "not trained again: %s; perennial train %s searches in full", view.Result.Reason, name)
		return nil
	case view.Result.Outcome == perennial.OutcomeRejectedByGates:
		b.screen.Sayf(name, "trained, and rejected by its gates: perennial decision show %s", view.Result.DecisionID)
		return nil
	}
	run, err := b.api.Run(ctx, view.Result.RunID)
	if err != nil {
		return err
	}
	b.screen.Sayf(name, "version %s in service: %s, %s (%.1f s)", view.Result.Version, run.Algorithm, headline(run), took(view))
	return nil
}

// sentences joins what went wrong and what to do about it.
func sentences(message, hint string) string {
	if hint != "" && !strings.HasSuffix(message, ".") {
		message += "."
	}
	return strings.TrimSpace(message + " " + hint)
}

// took gives the seconds a workflow ran.
func took(view client.WorkflowView) float64 {
	if view.EndedAt == nil {
		return 0
	}
	return view.EndedAt.Sub(view.StartedAt).Seconds()
}

func counted(p *client.Progress) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf(" %d/%d %s", p.Done, p.Total, p.Unit)
}

// headline gives a run's chief metrics.
func headline(run client.RunView) string {
	var parts []string
	for _, name := range run.Headline() {
		parts = append(parts, name+" "+client.Figure(*run.Metrics[name]))
	}
	if len(parts) == 0 {
		return string(run.Status)
	}
	return strings.Join(parts, ", ")
}

// invite prints what to do next, with a line to try each model that is in
// service. On later starts it is one line.
func (b *bootstrap) invite(ctx context.Context, pipelines []client.PipelineView, first bool) error {
	var lines []string
	for _, p := range pipelines {
		m, err := b.api.Model(ctx, p.Pipeline)
		if err != nil || m.Traffic.Champion == "" {
			continue
		}
		if !first {
			b.screen.Sayf(p.Pipeline, "version %s in service", m.Traffic.Champion)
		}
		version, err := b.api.Version(ctx, p.Pipeline, m.Traffic.Champion)
		if err != nil {
			return err
		}
		features, err := b.api.Artifact(ctx, version.RunID, activities.ExamplePath)
		if err != nil {
			return err
		}
		if row := example(features); row != "" {
			lines = append(lines, fmt.Sprintf("  %s/predict -H 'content-type: application/json' -d '{\"model\":%q,\"features\":%s}'", b.curl, p.Pipeline, row))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	b.screen.Linef("\nTry it:")
	for _, l := range lines {
		b.screen.Linef("%s", l)
	}
	return nil
}

// example gives the features in a file as JSON of one line for a shell's single
// quotes, and "" where the file is no such thing: on an MLflow server of its own
// anybody may have written it.
func example(file []byte) string {
	var features map[string]any
	var line bytes.Buffer
	if json.Unmarshal(file, &features) != nil || len(features) == 0 || json.Compact(&line, file) != nil {
		return ""
	}
	for _, v := range features {
		switch v.(type) {
		case nil, bool, float64, string:
		default:
			return ""
		}
	}
	if strings.ContainsFunc(line.String(), func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return strings.ReplaceAll(line.String(), "'", `'\''`)
}

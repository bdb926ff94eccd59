package activities

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/card"
	"github.com/perennial-ml/perennial/judge"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/evaluate"
	"github.com/perennial-ml/perennial/models/evaluate/plots"
)

// The model card of a training run, and the table of its candidates.
const (
	CardFactsPath    = "card.json"
	CardMarkdownPath = "card.md"
	CardHTMLPath     = "card.html"
	CandidatesPath   = PicturesDir + "/candidates.md"
)

const (
	cardTime  = 20 * time.Second // for pictures and card, within the record's 30 s
	cardTries = 3
)

// tagNoCard says why a run has no card.
const tagNoCard = "perennial.card_error"

// logFacts keeps what the evaluation knows of a model for its card, which is
// written when the training has ended and its outcome is known.
func (a *Activities) logFacts(ctx context.Context, in ScoreInput, m *material, model *models.Model, report *evaluate.Report, compared judge.Comparison) error {
	p, prov := m.bundle.Spec.Pipeline, model.Provenance()
	target, _ := model.Schema().Target()
	data := m.snapshot.Data
	data.Snapshot = hexOf(in.Snapshot)
	trace := model.Trace()
	c := card.Card{
		Pipeline: p.Name, Owner: p.Owner, Task: p.Task, Target: target.Name, Classes: model.Classes(), Positive: p.Data.Positive,
		RunID: in.RunID, Data: data, Sides: m.snapshot.Rows, Split: p.Split, Prepared: len(model.FeatureNames()), Preprocess: p.Preprocess,
		Algorithm: model.Algorithm(), Params: model.Params(), Select: p.Select.Metric, Budget: m.bundle.Budget,
		Ended: trace.Status, Iterations: trace.Iterations, Report: report,
		Lineage: card.Lineage{
			ModelSHA256: hexOf(in.Model), ParamsSHA256: prov.ParamsSHA256, SchemaSHA256: m.bundle.schemaSHA256(),
			PipelineRevision: m.bundle.Spec.Revision, Seed: prov.Seed, Trainer: prov.Trainer, Build: a.Build,
			Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		},
	}
	if class, threshold := model.Positive(); class >= 0 {
		c.Threshold = threshold
	}
	profile := model.Profile()
	for i, column := range model.Schema().Features() {
		seen := profile.Features[i]
		c.Features = append(c.Features, card.Feature{Column: column, Rows: seen.Count, Nulls: seen.Nulls, Min: seen.Min, Max: seen.Max})
	}
	if champion := compared.Champion; champion != nil {
		c.Champion = &card.Champion{Version: champion.Version, Rows: len(champion.Rows)}
		if len(champion.Rows) > 0 {
			c.Champion.Candidate, c.Champion.Champion = evaluate.All(compared.Candidate.Take(champion.Rows)), evaluate.All(champion.Observed)
		}
	}
	return a.logJSON(ctx, in.RunID, CardFactsPath, c)
}

// logCard draws the pictures of a training that has ended and writes its card. A
// run that ended before its evaluation has none. Neither is worth a training that
// can't be recorded: after three tries the run says why there is no card.
func (a *Activities) logCard(ctx context.Context, p Progress, ended int64) error {
	limited, cancel := context.WithTimeout(ctx, cardTime)
	defer cancel()
	err := a.writeCard(limited, p, ended)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	if info := activity.GetInfo(ctx); info.Attempt < cardTries && Retryable(perennial.CodeOf(err)) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	activity.GetLogger(ctx).Warn("the run has no model card", "run", p.RunID, "error", err)
	message, _, _ := perennial.Explain(err)
	return a.Tracker.LogBatch(ctx, p.RunID, nil, nil, []perennial.Tag{{Key: tagNoCard, Value: message}})
}

func (a *Activities) writeCard(ctx context.Context, p Progress, ended int64) error {
	files, err := a.Tracker.Artifacts(ctx, p.RunID)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, f := range files {
		kept[f.Path] = true
	}
	if !kept[CardFactsPath] {
		return nil
	}
	c, err := artifactJSON[card.Card](ctx, a.Tracker, p.RunID, CardFactsPath)
	if err != nil {
		return err
	}
	if err := a.complete(ctx, &c, p, ended); err != nil {
		return err
	}
	pictures, err := a.draw(ctx, p.RunID, kept)
	if err != nil {
		return err
	}
	if path := numbersPath(plots.Candidates); kept[path] {
		list, err := artifactJSON[evaluate.Candidates](ctx, a.Tracker, p.RunID, path)
		if err != nil {
			return err
		}
		c.Candidates = &list
		if err := a.logFile(ctx, p.RunID, CandidatesPath, card.CandidatesMarkdown(&list)); err != nil {
			return err
		}
	}
	links := map[string]string{}
	for name := range pictures {
		links[name] = picturePath(name)
	}
	page, err := c.HTML(pictures)
	if err != nil {
		return err
	}
	if err := a.logFile(ctx, p.RunID, CardHTMLPath, page); err != nil {
		return err
	}
	if err := a.logFile(ctx, p.RunID, CardMarkdownPath, c.Markdown(links)); err != nil {
		return err
	}
	return a.logJSON(ctx, p.RunID, CardFactsPath, c)
}

// artifactJSON reads a document among a run's files.
func artifactJSON[T any](ctx context.Context, t Tracker, runID, path string) (T, error) {
	var doc T
	b, err := t.ReadArtifact(ctx, runID, path)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		return doc, perennial.Errorf(perennial.CodeInvalid, "decode", "%s of run %s can't be read", path, runID).Because(err)
	}
	return doc, nil
}

// complete adds what is known once a training has ended.
func (a *Activities) complete(ctx context.Context, c *card.Card, p Progress, ended int64) error {
	run, err := a.Tracker.GetRun(ctx, p.RunID)
	if err != nil {
		return err
	}
	c.Version, c.Outcome, c.State, c.InService = p.Version, p.Outcome, string(p.State), p.InService
	c.WorkflowID, c.Trigger, c.Reason, c.Actor = run.Tag(perennial.TagWorkflow), run.Tag("perennial.trigger"), p.Reason, run.User
	c.StartedAt, c.EndedAt = run.StartedAt, ended
	c.Lineage.ProjectCommit, c.Lineage.ProjectDirty = run.Tag(perennial.TagCommit), run.Tag("perennial.project_dirty") == "true"
	c.Resources.CPU, _ = run.Metric(metricCPU)
	c.Resources.Wall, _ = run.Metric(metricWall)
	c.Resources.Memory, _ = run.Metric(metricMemory)
	c.Warnings = warningsOf(&run)
	if p.Decision == "" {
		return nil
	}
	d, err := a.Ledger.Decision(ctx, p.Decision)
	if err != nil {
		return err
	}
	d.Policy, d.Evidence = json.RawMessage("null"), json.RawMessage("null") // GET /decisions has them
	c.Gates = &d
	return nil
}

// warningsOf lists what the stages of a run warned of, in the order of their tags.
func warningsOf(run *perennial.Run) []string {
	var out []string
	tags := slices.Clone(run.Tags)
	slices.SortFunc(tags, func(a, b perennial.Tag) int { return strings.Compare(a.Key, b.Key) })
	for _, t := range tags {
		switch {
		case t.Value == "":
		case t.Key == perennial.TagTruncated:
			out = append(out, "The search was cut by its time limit: "+t.Value+". A longer tuning.max_time may find a better model.")
		case t.Key == perennial.TagSampled:
			out = append(out, "It learned from "+t.Value+", as the bootstrap budget does; a training with the full budget learns from all.")
		case strings.HasPrefix(t.Key, "perennial.") && strings.Contains(t.Key, "warning"):
			out = append(out, t.Value)
		}
	}
	return out
}

// draw draws every picture that the run has numbers for. One that can't be drawn
// is left out.
func (a *Activities) draw(ctx context.Context, runID string, kept map[string]bool) (map[string][]byte, error) {
	pictures := map[string][]byte{}
	for _, picture := range plots.Titles() {
		path := numbersPath(picture.Name)
		if !kept[path] {
			continue
		}
		numbers, err := a.Tracker.ReadArtifact(ctx, runID, path)
		if err != nil {
			return nil, err
		}
		png, err := plots.Draw(picture.Name, numbers)
		if err != nil {
			activity.GetLogger(ctx).Warn("a picture can't be drawn", "run", runID, "picture", picture.Name, "error", err)
			continue
		}
		if err := a.logFile(ctx, runID, picturePath(picture.Name), png); err != nil {
			return nil, err
		}
		pictures[picture.Name] = png
	}
	return pictures, nil
}

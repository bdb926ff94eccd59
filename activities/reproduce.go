package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/ledger"
	"github.com/perennial-ml/perennial/models"
	"github.com/perennial-ml/perennial/models/tune"
)

// What may differ between a run and its reproduction, in the order in which it is
// looked for.
const (
	DiffersData       = "data"
	DiffersParameters = "parameters"
	DiffersTrainer    = "trainer"
	DiffersPlatform   = "platform"
	DiffersModel      = "model"
)

// ReproduceInput names the run.
type ReproduceInput struct {
	RunID string `json:"run_id"`
}

// Reproduced is what came of it so far; without an outcome everything that the
// model was made of is there.
type Reproduced struct {
	Outcome perennial.Outcome `json:"outcome,omitempty"`
	Differs string            `json:"differs,omitempty"` // first
	Reason  string            `json:"reason,omitempty"`
	Study   StudyInput        `json:"study"`
	Trial   int               `json:"trial"`
}

func differs(what, format string, args ...any) Reproduced {
	return Reproduced{Outcome: perennial.OutcomeDiffers, Differs: what, Reason: fmt.Sprintf(format, args...)}
}

// CheckRun looks whether everything is there that a run's model was made of:
// data, sides, bundle and trials, by their hashes. It replays the study on its
// stored results: the same trials must be proposed again, and the same one
// selected. A run without a model is a precondition fault. Safe to repeat: it
// brings data back into the blob store at most.
func (a *Activities) CheckRun(ctx context.Context, in ReproduceInput) (Reproduced, error) {
	const op = "CheckRun"
	ctx, stop := heartbeat(ctx)
	defer stop()
	run, err := a.Tracker.GetRun(ctx, in.RunID)
	if err != nil {
		return Reproduced{}, perennial.Wrap(op, err)
	}
	if err := trained(&run); err != nil {
		return Reproduced{}, perennial.Wrap(op, err)
	}
	if algorithm := run.Tag(perennial.TagAlgorithm); !reproducible(algorithm) {
		return Reproduced{Outcome: perennial.OutcomeNotReproducible, Reason: fmt.Sprintf(
			"%s isn't reproducible: equal inputs give another model each time, so that there is nothing to compare", algorithm)}, nil
	}
	out, err := a.checkData(ctx, &run)
	if err != nil || out.Outcome != "" {
		return out, perennial.Wrap(op, err)
	}
	trial, _ := selectedTrial(&run)
	out, err = a.checkStudy(ctx, &run, trial)
	if out.Outcome == "" {
		out.Study = StudyInput{Bundle: run.Tag(perennial.TagBundle), Snapshot: "sha256:" + run.Inputs[0].Data.Snapshot, RunID: run.ID}
		out.Trial = trial
	}
	return out, perennial.Wrap(op, err)
}

// trained refuses a run that has no model of its own.
func trained(run *perennial.Run) error {
	switch {
	case run.Tag(perennial.TagKind) != "train" || run.Tag(perennial.TagBundle) == "":
		return perennial.Errorf(perennial.CodePrecondition, "", "run %s is no training: only a training can be reproduced", run.ID).
			WithHint("perennial runs PIPELINE lists the trainings; a candidate is part of its parent run.")
	case run.Tag(perennial.TagModelSHA256) == "" || run.Param(paramTrial) == "" || len(run.Inputs) == 0:
		return perennial.Errorf(perennial.CodePrecondition, "", "run %s made no model: there is nothing to reproduce", run.ID)
	}
	return nil
}

func reproducible(algorithm string) bool {
	for _, a := range models.Algorithms() {
		if a.Name == algorithm {
			return a.Reproducible
		}
	}
	return true // it isn't known here: the parameters will say so
}

// checkData looks for the data and its sides, and brings data back from where the
// project keeps it.
func (a *Activities) checkData(ctx context.Context, run *perennial.Run) (Reproduced, error) {
	data := run.Inputs[0].Data
	gone, err := a.gone(ctx, "md5:"+data.MD5)
	if err != nil {
		return Reproduced{}, err
	}
	if gone != "" {
		found, err := a.bringBack(ctx, data)
		if err != nil {
			return Reproduced{}, err
		}
		if found != "" || gone == damaged {
			return differs(DiffersData, "%s with md5 %s is %s%s", data.Path, data.MD5, gone, found), nil
		}
	}
	for _, part := range []struct{ name, key string }{
		{"the list of its rows (snapshot)", "sha256:" + data.Snapshot}, {"the table of its sides", "sha256:" + data.Sides},
	} {
		gone, err := a.gone(ctx, part.key)
		if err != nil {
			return Reproduced{}, err
		}
		if gone != "" {
			return differs(DiffersData, "%s, %s, is %s", part.name, part.key, gone), nil
		}
	}
	return Reproduced{}, nil
}

// bringBack puts data that the blob store lost back from where the project keeps
// it, or says what the project has instead.
func (a *Activities) bringBack(ctx context.Context, data perennial.DataRef) (instead string, err error) {
	content, err := a.Data.Read(ctx, data.Path)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		return ", and the project has no " + data.Path, nil
	}
	if err != nil {
		return "", err
	}
	key, _, err := a.Blobs.PutMD5(ctx, bytes.NewReader(content))
	if err == nil && hexOf(key) != data.MD5 {
		instead = ", and the project's has md5 " + hexOf(key)
	}
	return instead, err
}

const damaged = "damaged"

// gone says in a word why an object can't be read, "" where it can.
func (a *Activities) gone(ctx context.Context, key string) (string, error) {
	switch _, err := a.Blobs.Get(ctx, key); {
	case err == nil:
		return "", nil
	case perennial.CodeOf(err) == perennial.CodeNotFound:
		return "missing", nil
	case perennial.CodeOf(err) == perennial.CodeInternal && ctx.Err() == nil:
		return damaged, nil
	default:
		return "", err
	}
}

// checkStudy reads the bundle and replays the study.
func (a *Activities) checkStudy(ctx context.Context, run *perennial.Run, trial int) (Reproduced, error) {
	key := run.Tag(perennial.TagBundle)
	gone, err := a.gone(ctx, key)
	if err != nil {
		return Reproduced{}, err
	}
	if gone != "" {
		return differs(DiffersParameters, "the bundle of pipeline, schema and seed, %s, is %s", key, gone), nil
	}
	bundle, err := getJSON[Bundle](ctx, a.Blobs, key)
	if err != nil {
		return Reproduced{}, err
	}
	list, err := a.Ledger.Trials(ctx, run.ID)
	if err != nil {
		return Reproduced{}, err
	}
	reason, err := replayStudy(ctx, &bundle, list, trial)
	if err != nil || reason == "" {
		return Reproduced{}, err
	}
	if bundle.Trainer != Trainer {
		return differs(DiffersTrainer, "the run was made by trainer %s, and this is %s: %s", bundle.Trainer, Trainer, reason), nil
	}
	return differs(DiffersParameters, "%s", reason), nil
}

// replayStudy proposes a study's trials again, each round from the stored results
// of the rounds before, and selects again; it says what comes out otherwise. A
// study cut by time is replayed as far as it went.
func replayStudy(ctx context.Context, bundle *Bundle, list []ledger.Trial, trial int) (string, error) {
	search, metric, err := bundle.search()
	if err != nil {
		return "the pipeline can't be searched any more: " + err.Error(), nil //nolint:nilerr // that is what differs
	}
	results, err := resultsOf(bundle.Spec.Pipeline.Candidates, list)
	if err != nil {
		return "", err
	}
	for n := 0; n*tune.RoundSize < min(len(list), search.Trials()); n++ {
		round, _ := search.Round(n, results)
		for k, again := range round.Trials {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			if at := n*tune.RoundSize + k; at >= len(list) {
				return "", nil
			} else if was, err := proposed(list[at]); err != nil || was.Index != again.Index || was.Candidate != again.Candidate || !sameParams(was, again) {
				return fmt.Sprintf("trial %d would be proposed as %s now, and was %s", again.Index+1, showParams(again.Params), list[at].Params), err
			}
		}
	}
	best, ok := bestOf(Comparable(list, -1), metric.HigherIsBetter)
	if !ok || best.Index != trial {
		return fmt.Sprintf("of its %d stored trials trial %d would be selected now, and trial %d was", len(list), best.Index+1, trial+1), nil
	}
	return "", nil
}

func sameParams(a, b tune.Trial) bool {
	return reflect.DeepEqual(decoded(showParams(a.Params)), decoded(showParams(b.Params)))
}

func showParams(p map[string]any) string {
	b, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func decoded(text string) (out map[string]any) {
	if json.Unmarshal([]byte(text), &out) != nil {
		return nil
	}
	return out
}

// RefitModel fits the trial again and compares the model file with the run's. It
// registers and stores nothing. Safe to repeat: it only looks.
func (a *Activities) RefitModel(ctx context.Context, in Reproduced) (Reproduced, error) {
	const op = "RefitModel"
	ctx, stop := heartbeat(ctx)
	defer stop()
	run, err := a.Tracker.GetRun(ctx, in.Study.RunID)
	if err != nil {
		return Reproduced{}, perennial.Wrap(op, err)
	}
	m, err := a.load(ctx, in.Study.Bundle, in.Study.Snapshot)
	if err != nil {
		return Reproduced{}, perennial.Wrap(op, err)
	}
	trial, err := a.trial(ctx, in.Study.RunID, in.Trial)
	if err != nil {
		return Reproduced{}, perennial.Wrap(op, err)
	}
	_, file, _, err := a.fit(ctx, m, trial, run.Param("params_sha256"))
	if err != nil {
		return Reproduced{}, perennial.Wrap(op, err)
	}
	was, is := run.Tag(perennial.TagModelSHA256), sha256Hex(file)
	if was == is {
		return Reproduced{Outcome: perennial.OutcomeSame, Reason: "the model file came out again, byte for byte: sha256 " + is}, nil
	}
	out, err := a.blame(ctx, &run, m.bundle.Trainer, file)
	out.Reason += fmt.Sprintf("; the model file was %s and came out as %s", was, is)
	return out, perennial.Wrap(op, err)
}

// blame says why another model file came out, and where it differs.
func (a *Activities) blame(ctx context.Context, run *perennial.Run, trainer string, file []byte) (Reproduced, error) {
	before, err := a.Blobs.Get(ctx, "sha256:"+run.Tag(perennial.TagModelSHA256))
	where := "the run's own file is gone"
	switch {
	case err == nil:
		where = "the model bytes differ, first in " + models.Difference(before, file)
	case perennial.CodeOf(err) != perennial.CodeNotFound:
		return Reproduced{}, err
	}
	if trainer != Trainer {
		return differs(DiffersTrainer, "the run was made by trainer %s, and this is %s; %s", trainer, Trainer, where), nil
	}
	if platform := run.Tag(perennial.TagPlatform); platform != "" && platform != runtime.GOARCH {
		return differs(DiffersPlatform, "the run was made on %s, and this is %s: floating-point arithmetic differs in the last bits; %s", platform, runtime.GOARCH, where), nil
	}
	if build := run.Tag("perennial.build"); build != a.Build {
		where += fmt.Sprintf("; the run was made by build %s, and this is %s", build, a.Build)
	}
	return differs(DiffersModel, "%s", where), nil
}

package mlflow

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/perennial-ml/perennial"
)

// The number of runs of a page: where none is given, and at most.
const (
	pageDefault = 100
	pageMost    = 1000
)

// SearchRuns lists an experiment's runs that are nobody's children, newest first, a
// page of limit runs at a time (0: 100). next is the token of the following page, ""
// on the last. An experiment that doesn't exist has no runs; one that somebody deleted
// or renamed is precondition.
func (t *Tracker) SearchRuns(ctx context.Context, experimentName string, limit int, pageToken string) (runs []perennial.Run, next string, err error) {
	const op = "mlflow.SearchRuns"
	e, ok, err := t.experiment(ctx, experimentName)
	switch {
	case err != nil:
		return nil, "", perennial.Wrap(op, err)
	case !ok:
		return nil, "", t.renamed(ctx, op, experimentName)
	case e.LifecycleStage != LifecycleActive:
		return nil, "", t.deleted(op, &e)
	}
	if limit <= 0 {
		limit = pageDefault
	}
	most := Int(limit)
	found, err := t.searchRuns(ctx, SearchRuns{
		ExperimentIDs: []string{e.ExperimentID}, Filter: "tags.`" + perennial.TagParentRun + "` IS NULL", RunViewType: ViewActive,
		MaxResults: &most, OrderBy: []string{"attributes.start_time DESC"}, PageToken: pageToken,
	})
	return domainRuns(found.Runs), found.NextPageToken, perennial.Wrap(op, err)
}

// Candidates gives the best trials of each candidate of some trainings of one
// experiment, oldest first, by training: of one training with one call, of a page
// with one or two.
func (t *Tracker) Candidates(ctx context.Context, trainings ...perennial.Run) (map[string][]perennial.Run, error) {
	out := map[string][]perennial.Run{}
	if len(trainings) == 0 {
		return out, nil
	}
	filter := "tags.`" + perennial.TagKind + "` = '" + perennial.KindCandidate + "'"
	if len(trainings) == 1 {
		filter += " AND tags.`" + perennial.TagParentRun + "` = '" + trainings[0].ID + "'"
	} else {
		// A candidate starts after its training.
		since := slices.MinFunc(trainings, func(a, b perennial.Run) int { return int(a.StartedAt - b.StartedAt) }).StartedAt
		filter += " AND attributes.start_time >= " + strconv.FormatInt(since, 10)
	}
	found, err := t.allRuns(ctx, []string{trainings[0].ExperimentID}, filter, ViewActive)
	if err != nil {
		return nil, perennial.Wrap("mlflow.Candidates", err)
	}
	for _, r := range found {
		parent := r.Tag(perennial.TagParentRun)
		out[parent] = append(out[parent], r)
	}
	return out, nil
}

// ChildRuns lists the active runs whose parent is parentID, oldest first.
func (t *Tracker) ChildRuns(ctx context.Context, parentID string) ([]perennial.Run, error) {
	const op = "mlflow.ChildRuns"
	parent, err := t.run(ctx, parentID)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	filter, err := equals("tags", perennial.TagParentRun, parentID)
	if err != nil {
		return nil, err
	}
	runs, err := t.allRuns(ctx, []string{parent.Info.ExperimentID}, filter, ViewActive)
	return runs, perennial.Wrap(op, err)
}

// Running lists the active runs of Perennial's own trainings (those with a kind) that
// are in state RUNNING, oldest first. Experiments that hold none of ours aren't
// looked into.
func (t *Tracker) Running(ctx context.Context) ([]perennial.Run, error) {
	const op = "mlflow.Running"
	ids, err := t.experiments(ctx, "tags.`"+perennial.TagPipeline+"` LIKE '%'", ViewActive)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	runs, err := t.allRuns(ctx, ids, fmt.Sprintf("attributes.status = '%s' AND tags.`%s` LIKE '%%'", perennial.RunRunning, perennial.TagKind), ViewActive)
	return runs, perennial.Wrap(op, err)
}

// RunsByData lists the runs of any experiment that read a content, by its md5,
// newest first: those that have it in the tag perennial.data_md5 or as the digest of
// an input. Deleted runs are among them.
func (t *Tracker) RunsByData(ctx context.Context, md5 string) ([]perennial.Run, error) {
	const op = "mlflow.RunsByData"
	ids, err := t.experiments(ctx, "", ViewAll)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	tagged, err := equals("tags", perennial.TagDataMD5, md5)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	read, err := equals("", "dataset.digest", md5)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	var out []perennial.Run
	for _, filter := range []string{tagged, read} {
		runs, err := t.allRuns(ctx, ids, filter, ViewAll)
		if err != nil {
			return nil, perennial.Wrap(op, err)
		}
		out = append(out, runs...)
	}
	slices.SortFunc(out, func(a, b perennial.Run) int {
		return cmp.Or(cmp.Compare(b.StartedAt, a.StartedAt), strings.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(out, func(a, b perennial.Run) bool { return a.ID == b.ID }), nil
}

// experiments gives the ids of the experiments that a filter finds.
func (t *Tracker) experiments(ctx context.Context, filter string, view View) ([]string, error) {
	var ids []string
	most := Int(pageMost)
	in := SearchExperiments{MaxResults: &most, Filter: filter, ViewType: view}
	for {
		found, err := send[Experiments](ctx, t.c, http.MethodPost, "experiments/search", in)
		if err != nil {
			return nil, err
		}
		for _, e := range found.Experiments {
			ids = append(ids, e.ExperimentID)
		}
		if in.PageToken = found.NextPageToken; in.PageToken == "" {
			return ids, nil
		}
	}
}

// allRuns gives every run that a filter finds in some experiments, oldest first.
func (t *Tracker) allRuns(ctx context.Context, experiments []string, filter string, view View) ([]perennial.Run, error) {
	if len(experiments) == 0 {
		return nil, nil
	}
	most := Int(pageMost)
	in := SearchRuns{ExperimentIDs: experiments, Filter: filter, RunViewType: view, MaxResults: &most, OrderBy: []string{"attributes.start_time ASC"}}
	var out []perennial.Run
	for {
		found, err := t.searchRuns(ctx, in)
		if err != nil {
			return nil, err
		}
		out = append(out, domainRuns(found.Runs)...)
		if in.PageToken = found.NextPageToken; in.PageToken == "" {
			return out, nil
		}
	}
}

func (t *Tracker) searchRuns(ctx context.Context, in SearchRuns) (Runs, error) {
	return send[Runs](ctx, t.c, http.MethodPost, "runs/search", in)
}

func domainRuns(runs []Run) []perennial.Run {
	out := make([]perennial.Run, len(runs))
	for i := range runs {
		out[i] = domainRun(&runs[i])
	}
	return out
}

package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) lineageRoutes() {
	register(s, huma.Operation{
		OperationID: "getDataLineage", Method: http.MethodGet, Path: "/lineage/data/{md5}", Tags: []string{"datasets"},
		Summary: "Everything that came of one content of a data set: runs, versions, predictions",
		Description: "The md5 is DVC's: of the whole file, or of a directory's manifest with .dir after it. A run counts that read the content as its base data or as it is with " +
			"feedback; so does one of somebody else's that has it in the tag perennial.data_md5.",
	}, s.getDataLineage)
}

type dataLineageInput struct {
	MD5 string `path:"md5" pattern:"^[0-9a-f]{32}(\\.dir)?$" patternDescription:"an md5 in 32 small hexadecimal digits"`
}

func (s *Server) getDataLineage(ctx context.Context, in *dataLineageInput) (*answer[client.DataLineageView], error) {
	const op = "api.getDataLineage"
	runs, err := s.o.Lineage.RunsByData(ctx, in.MD5)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	v := client.DataLineageView{MD5: in.MD5, Runs: []client.LineageRunView{}, Versions: []client.LineageModelView{}}
	if v.Paths, err = s.pathsOf(ctx, in.MD5, runs); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if len(runs) == 0 && len(v.Paths) == 0 {
		return nil, perennial.Errorf(perennial.CodeNotFound, op, "Nothing is known of a data set with the md5 %s.", in.MD5).
			WithHint("`perennial data status` shows the md5 of each data file; GET /datasets lists the registered ones.")
	}
	ids := make([]string, len(runs))
	for i := range runs {
		ids[i], v.Runs = runs[i].ID, append(v.Runs, lineageRun(&runs[i]))
	}
	if v.Versions, err = s.versionsOf(ctx, ids); err != nil {
		return nil, perennial.Wrap(op, err)
	}
	for _, made := range v.Versions {
		v.Predictions += made.Predictions
	}
	return ok(v), nil
}

// pathsOf gives the paths at which a content lay.
func (s *Server) pathsOf(ctx context.Context, md5 string, runs []perennial.Run) ([]string, error) {
	paths := []string{}
	registered, err := s.o.Datasets.List(ctx)
	for _, d := range registered {
		if d.MD5 == md5 {
			paths = append(paths, d.Path)
		}
	}
	for i := range runs {
		for _, input := range runs[i].Inputs {
			if (input.Data.MD5 == md5 || input.Data.BaseMD5 == md5) && input.Data.Path != "" {
				paths = append(paths, input.Data.Path)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), err
}

func lineageRun(r *perennial.Run) client.LineageRunView {
	return client.LineageRunView{
		RunID: r.ID, Pipeline: r.Tag(perennial.TagPipeline), Kind: r.Tag(perennial.TagKind), Status: r.Status, Outcome: r.Tag(perennial.TagOutcome),
		StartedAt: instant(r.StartedAt), WorkflowID: r.Tag(perennial.TagWorkflow), ProjectCommit: r.Tag(perennial.TagCommit),
	}
}

// versionsOf gives the versions that runs made, with their logged answers.
func (s *Server) versionsOf(ctx context.Context, runs []string) ([]client.LineageModelView, error) {
	out := []client.LineageModelView{}
	if len(runs) == 0 {
		return out, nil
	}
	versions, err := s.o.Lineage.VersionsOfRuns(ctx, runs)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(versions, func(a, b perennial.ModelVersion) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(number(b.Version), number(a.Version)))
	})
	counts := map[string]map[string]int64{} // by model
	for i := range versions {
		m := &versions[i]
		if counts[m.Model] == nil {
			if counts[m.Model], err = s.o.Predictions.CountVersions(ctx, m.Model); err != nil {
				return nil, err
			}
		}
		view := versionView(m)
		out = append(out, client.LineageModelView{
			Model: m.Model, Version: m.Version, RunID: m.RunID, Algorithm: view.Algorithm, Aliases: view.Aliases, CreatedAt: view.CreatedAt,
			Predictions: counts[m.Model][m.Version],
		})
	}
	return out, nil
}

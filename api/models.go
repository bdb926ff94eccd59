package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) modelRoutes() {
	get := func(id, path, summary string) huma.Operation {
		return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{"models"}, Summary: summary}
	}
	register(s, get("listModels", "/models", "The registered models and who answers for each"), s.listModels)
	register(s, get("getModel", "/models/{model}", "One registered model"), s.getModel)
	register(s, get("listVersions", "/models/{model}/versions", "A model's versions, newest first"), s.listVersions)
	register(s, get("getVersion", "/models/{model}/versions/{version}", "One version with its lineage"), s.getVersion)
	register(s, huma.Operation{
		OperationID: "deleteVersion", Method: http.MethodDelete, Path: "/models/{model}/versions/{version}", Tags: []string{"models"},
		Summary: "Delete a version that nothing holds; its run stays, its number is never used again",
	}, s.deleteVersion)
	register(s, get("getSchema", "/models/{model}/schema", "The fields that a model's champion accepts"), s.getSchema)
	register(s, get("getHistory", "/models/{model}/history", "Every change of a model's traffic, newest first"), s.getHistory)
}

type modelInput struct {
	Model string `path:"model" doc:"name of the model, which is its pipeline's"`
}

func (s *Server) listModels(ctx context.Context, _ *struct{}) (*answer[client.List[client.ModelView]], error) {
	const op = "api.listModels"
	models, err := s.o.Registry.Models(ctx)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	rows, err := s.o.Traffic.List(ctx)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	views, err := s.modelViews(ctx, models, rows)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return ok(client.List[client.ModelView]{Items: views}), nil
}

func (s *Server) getModel(ctx context.Context, in *modelInput) (*answer[client.ModelView], error) {
	const op = "api.getModel"
	model, err := s.model(ctx, in.Model)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	row, err := s.o.Traffic.Get(ctx, in.Model)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	views, err := s.modelViews(ctx, []perennial.RegisteredModel{model}, []perennial.Traffic{row})
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	return ok(views[0]), nil
}

// model finds a registered model by its name.
func (s *Server) model(ctx context.Context, name string) (perennial.RegisteredModel, error) {
	m, err := s.o.Registry.GetModel(ctx, name)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		err = perennial.Errorf(perennial.CodeNotFound, "api.model", "There is no model named %q.", name).WithHint("GET /models lists them.").Because(err)
	}
	return m, err
}

// modelViews shows models with the traffic rows of those that ever were in service.
func (s *Server) modelViews(ctx context.Context, models []perennial.RegisteredModel, rows []perennial.Traffic) ([]client.ModelView, error) {
	diverged, err := s.o.Rollouts.Divergences(ctx, rows...)
	if err != nil {
		return nil, err
	}
	traffic := make(map[string]perennial.Traffic, len(rows))
	for _, row := range rows {
		traffic[row.Model] = row
	}
	views := make([]client.ModelView, len(models))
	for i, m := range models {
		row, served := traffic[m.Name]
		if !served {
			row = perennial.Traffic{Model: m.Name, Mode: perennial.ModeNone}
		}
		v := client.ModelView{
			Model: m.Name, Description: m.Description, CreatedAt: instant(m.CreatedAt), UpdatedAt: instant(m.UpdatedAt),
			Aliases: m.Aliases, Traffic: trafficView(&row),
		}
		v.Traffic.Alias = diverged[m.Name]
		if v.Aliases == nil {
			v.Aliases = map[string]string{}
		}
		views[i] = v
	}
	return views, nil
}

func (s *Server) listVersions(ctx context.Context, in *modelInput) (*answer[client.List[client.VersionView]], error) {
	versions, err := s.o.Registry.Versions(ctx, in.Model)
	if err != nil {
		return nil, perennial.Wrap("api.listVersions", err)
	}
	slices.SortStableFunc(versions, func(a, b perennial.ModelVersion) int { return cmp.Compare(number(b.Version), number(a.Version)) })
	list := client.List[client.VersionView]{Items: make([]client.VersionView, len(versions))}
	for i := range versions {
		list.Items[i] = versionView(&versions[i])
	}
	return ok(list), nil
}

// number gives a version as MLflow counts it, 0 where it is no number.
func number(version string) int {
	n, err := strconv.Atoi(version)
	if err != nil {
		return 0
	}
	return n
}

type versionInput struct {
	Model   string `path:"model" doc:"name of the model, which is its pipeline's"`
	Version string `path:"version" pattern:"^[1-9][0-9]*$" patternDescription:"a number like 3"`
}

func (s *Server) getVersion(ctx context.Context, in *versionInput) (*answer[client.VersionView], error) {
	v, err := s.o.Registry.GetVersion(ctx, in.Model, in.Version)
	if err != nil {
		return nil, perennial.Wrap("api.getVersion", err)
	}
	return ok(versionView(&v)), nil
}

type deleteVersionInput struct {
	Model   string `path:"model" doc:"name of the model, which is its pipeline's"`
	Version string `path:"version" pattern:"^[1-9][0-9]*$" patternDescription:"a number like 3"`
	Body    *client.ReasonRequest
}

func (s *Server) deleteVersion(ctx context.Context, in *deleteVersionInput) (*struct{}, error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	return nil, perennial.Wrap("api.deleteVersion", s.o.Control.DeleteVersion(ctx, in.Model, in.Version, reason))
}

func (s *Server) getSchema(_ context.Context, in *modelInput) (*answer[*perennial.Schema], error) {
	schema, err := s.o.Predictor.Schema(in.Model)
	if err != nil {
		return nil, perennial.Wrap("api.getSchema", err)
	}
	return ok(schema), nil
}

type historyInput struct {
	Model string `path:"model" doc:"name of the model, which is its pipeline's"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

func (s *Server) getHistory(ctx context.Context, in *historyInput) (*answer[client.List[client.TrafficView]], error) {
	const op = "api.getHistory"
	rows, err := s.o.Traffic.History(ctx, in.Model, in.Limit)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	if len(rows) == 0 { // nobody ever answered for it, or there is no such model
		if _, err := s.model(ctx, in.Model); err != nil {
			return nil, perennial.Wrap(op, err)
		}
	}
	return ok(trafficList(rows)), nil
}

func trafficList(rows []perennial.Traffic) client.List[client.TrafficView] {
	list := client.List[client.TrafficView]{Items: make([]client.TrafficView, len(rows))}
	for i := range rows {
		list.Items[i] = trafficView(&rows[i])
	}
	return list
}

func trafficView(t *perennial.Traffic) client.TrafficView {
	v := client.TrafficView{
		Model: t.Model, Mode: t.Mode, Champion: t.Champion, Previous: t.Previous, Challenger: t.Challenger,
		Weight: float64(t.WeightBP) / 10000, Epoch: t.Epoch, Paused: t.Paused, DecisionID: t.DecisionID, Reason: t.Reason, Actor: t.Actor,
	}
	if t.ChangedAt > 0 {
		at := instant(t.ChangedAt)
		v.ChangedAt = &at
	}
	return v
}

func versionView(m *perennial.ModelVersion) client.VersionView {
	v := client.VersionView{
		Model: m.Model, Version: m.Version, RunID: m.RunID, Status: m.Status, Algorithm: m.Lineage.Algorithm,
		CreatedAt: instant(m.CreatedAt), Aliases: m.Aliases, Tags: tagMap(m.Tags), Lineage: m.Lineage,
	}
	if v.Aliases == nil {
		v.Aliases = []string{}
	}
	return v
}

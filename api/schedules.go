package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) scheduleRoutes() {
	register(s, huma.Operation{
		OperationID: "listSchedules", Method: http.MethodGet, Path: "/schedules", Tags: []string{"schedules"},
		Summary: "The retraining schedule of every pipeline",
	}, s.listSchedules)
	register(s, huma.Operation{
		OperationID: "getSchedule", Method: http.MethodGet, Path: "/schedules/{pipeline}", Tags: []string{"schedules"},
		Summary: "One pipeline's schedule: what the file says, what is in force, when it starts next",
	}, s.getSchedule)
	register(s, huma.Operation{
		OperationID: "setSchedule", Method: http.MethodPut, Path: "/schedules/{pipeline}", Tags: []string{"schedules"},
		Summary:     "Set, pause or resume a schedule, or reset it to the file's",
		Description: "The change stays until the pipeline's file changes. What is left out stays as it is.",
	}, s.setSchedule)
	register(s, huma.Operation{
		OperationID: "removeSchedule", Method: http.MethodDelete, Path: "/schedules/{pipeline}", Tags: []string{"schedules"},
		Summary:     "Remove a schedule until the pipeline's file changes",
		Description: "PUT with reset brings the file's schedule back before that.",
	}, s.removeSchedule)
}

func (s *Server) listSchedules(ctx context.Context, _ *struct{}) (*answer[client.List[client.ScheduleView]], error) {
	views, err := s.o.Control.Schedules(ctx)
	if err != nil {
		return nil, perennial.Wrap("api.listSchedules", err)
	}
	return ok(client.List[client.ScheduleView]{Items: views}), nil
}

type scheduleInput struct {
	Pipeline string `path:"pipeline" doc:"name of the pipeline"`
}

func (s *Server) getSchedule(ctx context.Context, in *scheduleInput) (*answer[client.ScheduleView], error) {
	view, err := s.o.Control.Schedule(ctx, in.Pipeline)
	if err != nil {
		return nil, perennial.Wrap("api.getSchedule", err)
	}
	return ok(view), nil
}

type setScheduleInput struct {
	Pipeline string `path:"pipeline" doc:"name of the pipeline"`
	Body     client.ScheduleRequest
}

func (s *Server) setSchedule(ctx context.Context, in *setScheduleInput) (*answer[client.ScheduleView], error) {
	view, err := s.o.Control.SetSchedule(ctx, in.Pipeline, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.setSchedule", err)
	}
	return ok(view), nil
}

type removeScheduleInput struct {
	Pipeline string `path:"pipeline" doc:"name of the pipeline"`
	Body     *client.ReasonRequest
}

func (s *Server) removeSchedule(ctx context.Context, in *removeScheduleInput) (*answer[client.ScheduleView], error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	view, err := s.o.Control.RemoveSchedule(ctx, in.Pipeline, reason)
	if err != nil {
		return nil, perennial.Wrap("api.removeSchedule", err)
	}
	return ok(view), nil
}

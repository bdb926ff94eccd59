package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func (s *Server) statusRoutes() {
	register(s, huma.Operation{
		OperationID: "getStatus", Method: http.MethodGet, Path: "/status", Tags: []string{"status"},
		Summary: "This process at a glance: models, pipelines, running workflows, what is down",
	}, s.getStatus)

	s.handle(http.MethodGet, "/healthz", "/healthz", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	s.handle(http.MethodGet, "/readyz", "/readyz", s.getReady)
	s.handle(http.MethodGet, "/metrics", "/metrics", adaptor.HTTPHandler(promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{})))

	plain := func(description string) *huma.Response {
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	}
	s.document(&huma.Operation{
		OperationID: "health", Method: http.MethodGet, Path: "/healthz", Tags: []string{"status"},
		Summary: "The process is alive; asks nothing", Responses: map[string]*huma.Response{"200": plain("alive")},
	})
	s.document(&huma.Operation{
		OperationID: "ready", Method: http.MethodGet, Path: "/readyz", Tags: []string{"status"},
		Summary:     "Every model of the last good traffic state is loaded",
		Description: "A dependency that is down shows in degraded and leaves it 200; no models at all is ready.",
		Responses: map[string]*huma.Response{
			"200": {Description: "ready", Content: s.jsonContent(schemaOf[client.ReadyView](s))}, "default": s.problemResponse(),
		},
	})
	s.document(&huma.Operation{
		OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{"status"},
		Summary: "Metrics in Prometheus' text form", Responses: map[string]*huma.Response{"200": plain("the metrics")},
	})
}

// getStatus answers whatever is down: what can't be asked is named in degraded.
func (s *Server) getStatus(ctx context.Context, _ *struct{}) (*answer[client.StatusView], error) {
	v := client.StatusView{
		Version: s.o.Build, StartedAt: s.started.UTC(), Ready: s.o.Predictor.Ready(), UIURL: s.o.UIURL,
		Degraded: s.degraded(ctx), Models: []client.TrafficView{}, Pipelines: []string{}, Workflows: []client.WorkflowView{},
	}
	down := func(part string, err error) {
		message, _, _ := perennial.Explain(err)
		v.Degraded = append(v.Degraded, client.Degraded{Part: part, Message: message})
	}
	if rows, err := s.o.Traffic.List(ctx); err != nil {
		down("traffic", err)
	} else {
		v.Models = trafficList(rows).Items
		diverged, err := s.o.Rollouts.Divergences(ctx, rows...)
		if err != nil {
			down("aliases", err)
		}
		for i := range v.Models {
			v.Models[i].Alias = diverged[v.Models[i].Model]
		}
	}
	if specs, err := s.o.Pipelines.List(ctx); err != nil {
		down("pipelines", err)
	} else {
		for _, spec := range specs {
			v.Pipelines = append(v.Pipelines, spec.Pipeline.Name)
		}
	}
	v.PipelineFaults = s.pipelineFaults(v.Pipelines)
	views, err := s.o.Control.RunningWorkflows(ctx)
	if err != nil {
		down("workflows", err)
	}
	for _, w := range views {
		v.Workflows = append(v.Workflows, s.workflowView(w))
	}
	return ok(v), nil
}

func (s *Server) degraded(ctx context.Context) []client.Degraded {
	if d := s.o.Degraded(ctx); d != nil {
		return d
	}
	return []client.Degraded{}
}

func (s *Server) getReady(c *fiber.Ctx) error {
	view := client.ReadyView{Ready: s.o.Predictor.Ready(), Degraded: s.degraded(c.UserContext())}
	if s.draining.Load() {
		return perennial.Errorf(perennial.CodeUnavailable, "api.getReady", "This process is stopping.")
	}
	if view.Ready {
		return c.JSON(view)
	}
	parts := make([]string, len(view.Degraded))
	for i, d := range view.Degraded {
		parts[i] = d.Part + ": " + d.Message
	}
	return perennial.Errorf(perennial.CodeUnavailable, "api.getReady", "Not every model in service is loaded yet.").WithHint("%s", strings.Join(parts, "; "))
}

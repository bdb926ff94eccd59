package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/pipeline"
)

func (s *Server) pipelineRoutes() {
	register(s, huma.Operation{
		OperationID: "listPipelines", Method: http.MethodGet, Path: "/pipelines", Tags: []string{"pipelines"},
		Summary: "The applied pipelines",
	}, s.listPipelines)
	register(s, huma.Operation{
		OperationID: "getPipeline", Method: http.MethodGet, Path: "/pipelines/{pipeline}", Tags: []string{"pipelines"},
		Summary: "One pipeline with every default filled in, its schema and its source",
	}, s.getPipeline)
	register(s, huma.Operation{
		OperationID: "applyPipeline", Method: http.MethodPut, Path: "/pipelines/{pipeline}", Tags: []string{"pipelines"},
		Summary:     "Put a pipeline in force",
		Description: "Takes the files as they stand in the project and checks them against each other: every fault of all files comes at once, with file and line. Workers need no file of the project then.",
	}, s.applyPipeline)
	register(s, huma.Operation{
		OperationID: "deletePipeline", Method: http.MethodDelete, Path: "/pipelines/{pipeline}", Tags: []string{"pipelines"},
		Summary: "Take a pipeline out of force; its runs, versions and what is in service stay",
	}, s.deletePipeline)
	register(s, huma.Operation{
		OperationID: "train", Method: http.MethodPost, Path: "/pipelines/{pipeline}/train", Tags: []string{"pipelines"},
		Summary:       "Train a pipeline",
		Description:   "Starts the workflow train:<pipeline>, or joins the one that runs (200, started false). The winner is registered, and put into service only where nothing is.",
		DefaultStatus: http.StatusAccepted,
	}, s.train)
	documented := s.huma.OpenAPI().Paths["/pipelines/{pipeline}/train"].Post.Responses
	documented["200"] = &huma.Response{Description: "It was training already", Content: documented["202"].Content}
}

type pipelineInput struct {
	Pipeline string `path:"pipeline" doc:"name of the pipeline"`
}

func (s *Server) listPipelines(ctx context.Context, _ *struct{}) (*answer[client.List[client.PipelineView]], error) {
	specs, err := s.o.Pipelines.List(ctx)
	if err != nil {
		return nil, perennial.Wrap("api.listPipelines", err)
	}
	list := client.List[client.PipelineView]{Items: make([]client.PipelineView, len(specs))}
	for i, spec := range specs {
		list.Items[i] = s.pipelineView(spec)
	}
	return ok(list), nil
}

func (s *Server) getPipeline(ctx context.Context, in *pipelineInput) (*answer[client.PipelineView], error) {
	spec, err := s.o.Pipelines.Get(ctx, in.Pipeline)
	if err != nil {
		return nil, perennial.Wrap("api.getPipeline", err)
	}
	view := s.pipelineView(spec)
	view.Spec, view.Schema, view.Source = &spec.Pipeline, &spec.Schema, spec.Source
	return ok(view), nil
}

type applyInput struct {
	Pipeline string `path:"pipeline" doc:"name of the pipeline, which the file must have too"`
	Body     client.ApplyRequest
}

func (s *Server) applyPipeline(ctx context.Context, in *applyInput) (*answer[client.ApplyResponse], error) {
	out, err := s.o.Control.Apply(ctx, in.Pipeline, in.Body)
	if err != nil {
		return nil, perennial.Wrap("api.applyPipeline", err)
	}
	return ok(out), nil
}

type deletePipelineInput struct {
	Pipeline string `path:"pipeline" doc:"name of the pipeline"`
	Body     *client.ReasonRequest
}

func (s *Server) deletePipeline(ctx context.Context, in *deletePipelineInput) (*struct{}, error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	return nil, perennial.Wrap("api.deletePipeline", s.o.Control.Delete(ctx, in.Pipeline, reason))
}

func (s *Server) pipelineView(spec *pipeline.Spec) client.PipelineView {
	v := client.PipelineView{Pipeline: spec.Pipeline.Name, Task: spec.Pipeline.Task, Revision: spec.Revision}
	for _, f := range s.pipelineFaults([]string{v.Pipeline}) {
		if f.InForce {
			v.Fault = &f
		}
	}
	return v
}

// pipelineFaults lists the project's files that aren't in force, and says which
// of them another content is in force for.
func (s *Server) pipelineFaults(inForce []string) []client.PipelineFault {
	faults := s.o.Control.PipelineFaults()
	for i := range faults {
		faults[i].InForce = slices.Contains(inForce, faults[i].Pipeline)
	}
	return faults
}

type trainInput struct {
	Pipeline string `path:"pipeline" doc:"name of the pipeline"`
	Body     client.TrainRequest
}

type trainOutput struct {
	Status int
	Body   client.TrainResponse
}

func (s *Server) train(ctx context.Context, in *trainInput) (*trainOutput, error) {
	started, err := s.o.Control.Train(ctx, client.TrainOrder{
		Pipeline: in.Pipeline, Budget: in.Body.Budget, Reason: in.Body.Reason, Trigger: perennial.TriggerManual, IfChanged: in.Body.IfChanged,
	})
	if err != nil {
		return nil, perennial.Wrap("api.train", err)
	}
	return s.accepted(started), nil
}

// accepted answers with the workflow that works on an order: 202, or 200 where it
// was there before.
func (s *Server) accepted(w client.Started) *trainOutput {
	out := &trainOutput{Status: http.StatusAccepted, Body: client.TrainResponse{
		WorkflowID: w.WorkflowID, WorkflowRunID: w.WorkflowRunID, Started: w.Started,
		StatusURL: workflowURL(w.WorkflowID), UIURL: s.uiURL(w.WorkflowID, w.WorkflowRunID),
	}}
	if !w.Started {
		out.Status = http.StatusOK
	}
	return out
}

package api

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/predlog"
)

func (s *Server) predictionRoutes() {
	register(s, huma.Operation{
		OperationID: "getPrediction", Method: http.MethodGet, Path: "/predictions/{id}", Tags: []string{"predictions"},
		Summary:     "A logged prediction with its whole lineage",
		Description: "Readable right after the answer on the process that gave it. Elsewhere a young id that isn't loaded yet answers 404 with code not_yet and Retry-After.",
	}, s.getPrediction)
	register(s, huma.Operation{
		OperationID: "listPredictions", Method: http.MethodGet, Path: "/predictions", Tags: []string{"predictions"},
		Summary: "Logged predictions, newest first, without lineage",
	}, s.listPredictions)
}

type predictionInput struct {
	ID string `path:"id" doc:"prediction_id of an answer"`
}

func (s *Server) getPrediction(ctx context.Context, in *predictionInput) (*answer[client.PredictionView], error) {
	const op = "api.getPrediction"
	p, err := s.o.Predictions.Get(ctx, in.ID)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	v, err := s.o.Registry.GetVersion(ctx, p.Model, p.Version)
	view := predictionView(&p)
	if perennial.CodeOf(err) == perennial.CodeNotFound { // the version was deleted; its answers stay
		return ok(view), nil
	}
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	view.Lineage = &v.Lineage
	view.Lineage.Rollout = perennial.RolloutLineage{Epoch: p.Epoch, DecisionID: p.DecisionID}
	return ok(view), nil
}

type predictionsInput struct {
	Model     string `query:"model" doc:"only this model's"`
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
	PageToken string `query:"page_token" doc:"next_page_token of the page before"`
}

func (s *Server) listPredictions(ctx context.Context, in *predictionsInput) (*answer[client.List[client.PredictionView]], error) {
	page, err := s.o.Predictions.List(ctx, predlog.Query{Model: in.Model, Before: in.PageToken, Limit: in.Limit})
	if err != nil {
		return nil, perennial.Wrap("api.listPredictions", err)
	}
	list := client.List[client.PredictionView]{Items: make([]client.PredictionView, len(page.Items)), NextPageToken: page.Next}
	for i := range page.Items {
		list.Items[i] = predictionView(&page.Items[i])
	}
	return ok(list), nil
}

// predictionView shows a log row. Which kind of answer it holds is told by its
// fields, because the row doesn't name the task.
func predictionView(p *perennial.Prediction) client.PredictionView {
	v := client.PredictionView{
		PredictionID: p.ID, Model: p.Model, Version: p.Version, Variant: p.Variant, Kind: p.Kind, Status: p.Status,
		UnitID: p.UnitID, Key: p.Key, At: time.UnixMicro(p.At).UTC(), LatencyMicros: float64(p.LatencyNS) / 1000,
		Redacted: p.Redacted, Probabilities: p.Probabilities,
	}
	if len(p.Features) > 0 {
		v.Features = p.Features
	}
	if v.Redacted == nil {
		v.Redacted = []string{}
	}
	switch {
	case p.Status == "error":
	case p.Probabilities != nil || p.Answer != "":
		v.Prediction = p.Answer
	case !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0):
		v.Prediction = p.Value
	}
	return v
}

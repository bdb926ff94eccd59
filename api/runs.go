package api

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/ledger"
)

func (s *Server) runRoutes() {
	register(s, huma.Operation{
		OperationID: "listRuns", Method: http.MethodGet, Path: "/runs", Tags: []string{"runs"},
		Summary: "A pipeline's trainings, newest first, each with its candidates",
	}, s.listRuns)
	register(s, huma.Operation{
		OperationID: "getRun", Method: http.MethodGet, Path: "/runs/{run}", Tags: []string{"runs"},
		Summary: "One tracked run; a training comes with its candidates and trials",
	}, s.getRun)
	register(s, huma.Operation{
		OperationID: "reproduceRun", Method: http.MethodPost, Path: "/runs/{run}/reproduce", Tags: []string{"runs"},
		Summary: "Train a run's model once more and compare",
		Description: "Starts the workflow reproduce:<run>, or joins the one that runs (200, started false). Its result's outcome is same, differs (with what differs first: " +
			"data, parameters, trainer, platform or model) or not_reproducible. Nothing is registered.",
		DefaultStatus: http.StatusAccepted,
	}, s.reproduceRun)
	documented := s.huma.OpenAPI().Paths["/runs/{run}/reproduce"].Post.Responses
	documented["200"] = &huma.Response{Description: "It was running already", Content: documented["202"].Content}
	register(s, huma.Operation{
		OperationID: "listArtifacts", Method: http.MethodGet, Path: "/runs/{run}/artifacts", Tags: []string{"runs"},
		Summary: "A run's files",
	}, s.listArtifacts)
	const artifact = "/runs/{run}/artifacts/{path}"
	s.handle(http.MethodGet, artifact, "/runs/:run/artifacts/+", s.getArtifact)
	text := &huma.Schema{Type: huma.TypeString}
	s.document(&huma.Operation{
		OperationID: "getArtifact", Method: http.MethodGet, Path: artifact, Tags: []string{"runs"},
		Summary: "The content of one of a run's files",
		Parameters: []*huma.Param{
			{Name: "run", In: "path", Required: true, Schema: text},
			{Name: "path", In: "path", Required: true, Schema: text, Description: "path of the file; slashes stay as they are"},
		},
		Responses: map[string]*huma.Response{
			"200":     {Description: "The file's bytes", Content: map[string]*huma.MediaType{fiber.MIMEOctetStream: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}},
			"default": s.problemResponse(),
		},
	})
}

type runsInput struct {
	Pipeline  string `query:"pipeline" required:"true" minLength:"1" doc:"whose runs"`
	Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	PageToken string `query:"page_token" doc:"next_page_token of the page before"`
}

func (s *Server) listRuns(ctx context.Context, in *runsInput) (*answer[client.List[client.RunView]], error) {
	const op = "api.listRuns"
	runs, next, err := s.o.Registry.SearchRuns(ctx, in.Pipeline, in.Limit, in.PageToken)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	candidates, err := s.o.Registry.Candidates(ctx, runs...)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	list := client.List[client.RunView]{Items: []client.RunView{}, NextPageToken: next}
	for i := range runs {
		view := runView(&runs[i], candidates)
		view.Pipeline = in.Pipeline
		list.Items = append(list.Items, view)
	}
	return ok(list), nil
}

type runInput struct {
	Run string `path:"run" doc:"run id"`
}

func (s *Server) getRun(ctx context.Context, in *runInput) (*answer[client.RunView], error) {
	const op = "api.getRun"
	run, err := s.o.Registry.GetRun(ctx, in.Run)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	var candidates map[string][]perennial.Run
	if run.Tag(perennial.TagParentRun) == "" {
		if candidates, err = s.o.Registry.Candidates(ctx, run); err != nil {
			return nil, perennial.Wrap(op, err)
		}
	}
	view := runView(&run, candidates)
	files, err := s.listArtifacts(ctx, in)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	view.Artifacts = files.Body.Items
	if view.ParentRunID != "" {
		return ok(view), nil
	}
	trials, err := s.o.Trials.Trials(ctx, in.Run)
	if err != nil {
		return nil, perennial.Wrap(op, err)
	}
	for i := range trials {
		view.Trials = append(view.Trials, trialView(&trials[i]))
	}
	return ok(view), nil
}

func trialView(t *ledger.Trial) client.TrialView {
	v := client.TrialView{
		Trial: t.Index + 1, Algorithm: t.Algorithm, State: string(t.State), Params: t.Params, Scores: make([]*float64, len(t.Scores)),
		Score: finite(t.Score), Seconds: float64(t.Millis) / 1000, CPU: t.CPU, Error: t.Error,
	}
	for i, score := range t.Scores {
		v.Scores[i] = finite(score)
	}
	return v
}

// finite gives nil for what JSON can't hold.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

type reproduceInput struct {
	Run  string `path:"run" doc:"run id of a training"`
	Body *client.ReasonRequest
}

func (s *Server) reproduceRun(ctx context.Context, in *reproduceInput) (*trainOutput, error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	started, err := s.o.Control.Reproduce(ctx, in.Run, reason)
	if err != nil {
		return nil, perennial.Wrap("api.reproduceRun", err)
	}
	return s.accepted(started), nil
}

// runView shows a run with its candidates, where it has any.
func runView(r *perennial.Run, candidates map[string][]perennial.Run) client.RunView {
	v := oneRun(r)
	for i := range candidates[r.ID] {
		v.Candidates = append(v.Candidates, oneRun(&candidates[r.ID][i]))
	}
	return v
}

func oneRun(r *perennial.Run) client.RunView {
	v := client.RunView{
		RunID: r.ID, Name: r.Name, Status: r.Status, StartedAt: instant(r.StartedAt), Inputs: r.Inputs,
		Pipeline: r.Tag(perennial.TagPipeline), Kind: r.Tag(perennial.TagKind), Algorithm: r.Tag(perennial.TagAlgorithm), Outcome: r.Tag(perennial.TagOutcome),
		ParentRunID: r.Tag(perennial.TagParentRun), WorkflowID: r.Tag(perennial.TagWorkflow), WorkflowRunID: r.Tag(perennial.TagWorkflowRun),
		Version: r.Tag(perennial.TagVersion), DecisionID: r.Tag(perennial.TagDecision), DataMD5: r.Tag(perennial.TagDataMD5),
		Params: tagMap(r.Params), Tags: tagMap(r.Tags), Metrics: make(map[string]*float64, len(r.Metrics)),
	}
	if r.EndedAt > 0 {
		at := instant(r.EndedAt)
		v.EndedAt = &at
	}
	for _, m := range r.Metrics {
		v.Metrics[m.Key] = finite(m.Value)
	}
	return v
}

func (s *Server) listArtifacts(ctx context.Context, in *runInput) (*answer[client.List[client.ArtifactView]], error) {
	artifacts, err := s.o.Registry.Artifacts(ctx, in.Run)
	if err != nil {
		return nil, perennial.Wrap("api.listArtifacts", err)
	}
	list := client.List[client.ArtifactView]{Items: []client.ArtifactView{}}
	for _, a := range artifacts {
		if !a.Folder {
			list.Items = append(list.Items, client.ArtifactView{Path: a.Path, Size: a.Size})
		}
	}
	return ok(list), nil
}

// contentTypes are the types under which an artifact is shown rather than
// downloaded. A run's files may come from anyone: artifactPolicy lets a page of
// theirs show text and pictures of its own and nothing else.
var contentTypes = map[string]string{
	".json": fiber.MIMEApplicationJSON, ".csv": "text/csv; charset=utf-8", ".txt": fiber.MIMETextPlainCharsetUTF8, ".md": fiber.MIMETextPlainCharsetUTF8,
	".yaml": fiber.MIMETextPlainCharsetUTF8, ".png": "image/png", ".svg": "image/svg+xml", ".html": fiber.MIMETextHTMLCharsetUTF8,
}

// artifactPolicy makes a file's page a stranger to this API (sandbox: another
// origin, no scripts, no forms) that loads nothing.
const artifactPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"

func (s *Server) getArtifact(c *fiber.Ctx) error {
	const op = "api.getArtifact"
	ctx := c.UserContext()
	run, wanted := unescaped(c.Params("run")), unescaped(c.Params("+"))
	content, err := s.o.Registry.ReadArtifact(ctx, run, wanted)
	if perennial.CodeOf(err) == perennial.CodeNotFound {
		if _, runErr := s.o.Registry.GetRun(ctx, run); runErr == nil {
			return perennial.Errorf(perennial.CodeNotFound, op, "The run %s has no file %q.", run, wanted).WithHint("GET /runs/%s/artifacts lists them.", url.PathEscape(run)).Because(err)
		}
	}
	if err != nil {
		return perennial.Wrap(op, err)
	}
	kind, known := contentTypes[path.Ext(wanted)]
	if !known {
		kind = fiber.MIMEOctetStream
	}
	c.Set(fiber.HeaderContentType, kind)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentSecurityPolicy, artifactPolicy)
	c.Response().SetBodyRaw(content)
	return nil
}

// unescaped gives a path parameter as the caller meant it, in memory of its own.
func unescaped(s string) string {
	if decoded, err := url.PathUnescape(s); err == nil {
		s = decoded
	}
	return strings.Clone(s)
}

// instant turns stored milliseconds into UTC.
func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func tagMap(tags []perennial.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

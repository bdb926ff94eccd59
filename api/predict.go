package api

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/serve"
)

// trainingRetryAfter is what a caller should wait, in seconds, for a model whose
// first version is still training.
const trainingRetryAfter = 5

// predictRoutes adds POST /predict as a plain handler: the engine reads and
// writes the JSON itself, and huma's reflection would cost more than it does.
func (s *Server) predictRoutes() {
	s.handle(http.MethodPost, "/predict", "/predict", s.predict)
	s.document(&huma.Operation{
		OperationID: "predict", Method: http.MethodPost, Path: "/predict", Tags: []string{"predictions"},
		Summary: "Predict for one row (features) or many (instances)",
		Description: "One request is answered by one version, which unit_id chooses where two share the traffic. Either every row is predicted and logged, or none. " +
			"A model whose first version is still training answers 503 with Retry-After and workflow_url.",
		RequestBody: &huma.RequestBody{Required: true, Content: s.jsonContent(s.predictSchema())},
		Responses: map[string]*huma.Response{
			"200":     {Description: "The answer, or one for each instance in predictions", Content: s.jsonContent(schemaOf[client.PredictResponse](s))},
			"default": s.problemResponse(),
		},
	})
}

// predictSchema says what Go's type can't: that a row is an object, and that there
// are either features or instances.
func (s *Server) predictSchema() *huma.Schema {
	schema := schemaOf[client.PredictRequest](s)
	schema.Properties["features"].Type = huma.TypeObject
	schema.Properties["instances"].Items.Type = huma.TypeObject
	key := schema.Properties["key"]
	schema.Properties["keys"].Items = &huma.Schema{Type: huma.TypeString, MinLength: key.MinLength, MaxLength: key.MaxLength}
	schema.OneOf = []*huma.Schema{{Required: []string{"features"}}, {Required: []string{"instances"}}}
	return schema
}

func (s *Server) predict(c *fiber.Ctx) error {
	h := &c.Request().Header
	if err := jsonBody(string(h.ContentType()), string(h.Peek(fiber.HeaderContentEncoding))); err != nil {
		return err
	}
	answer, err := s.o.Predictor.Predict(c.UserContext(), c.Request().Body(), perennial.KindLive)
	if err != nil {
		return s.notServing(c, err)
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(answer)
	return nil
}

// notServing adds to the refusal of a model without a version the training that
// will mend it.
func (s *Server) notServing(c *fiber.Ctx, err error) error {
	var e *perennial.Error
	if !errors.As(err, &e) || e.Code != perennial.CodeUnavailable || len(e.Fields) == 0 {
		return err
	}
	model, ok := e.Fields[0].Came.(string)
	if !ok {
		return err
	}
	p := problemOf(err)
	if e.Fields[0].Rule != serve.RuleTraining {
		return p
	}
	p.retryAfter = trainingRetryAfter
	runs, listErr := s.o.Control.Workflows(c.UserContext(), model, 1)
	if listErr != nil {
		p.cause = errors.Join(err, listErr) // for the log: the refusal stands without the link
	}
	if len(runs) > 0 && !runs[0].State.Terminal() {
		p.Workflow = workflowURL(runs[0].WorkflowID)
		p.Hint = "Its first version is training: follow GET " + p.Workflow + "."
	}
	return p
}

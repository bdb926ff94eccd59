package tracking

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// Blobs holds the bytes of artifacts (internal/blob).
type Blobs interface {
	// PutStream keeps what a reader gives, whole or not at all, and gives its key and
	// its size in bytes.
	PutStream(ctx context.Context, r io.Reader) (key string, size int64, err error)
	// Range gives length bytes of an object from an offset on (length < 0: all that
	// follow), which the caller closes. They are not verified.
	Range(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
}

// Hooks lead from the registry to whoever serves its models. Where one is nil, no
// alias steers anything, and nothing is held.
type Hooks struct {
	// MoveAlias is called instead of the store for the aliases champion and
	// challenger, which say who answers, and for what differs from them by case
	// only; version "" means to delete the alias.
	MoveAlias func(ctx context.Context, actor, model, alias, version string) error

	// Held gives an error where a version ("": any of the model's) is in service,
	// previous or kept, and so may not be deleted, renamed or moved.
	Held func(ctx context.Context, model, version string) error
}

// Server answers MLflow's REST API from a Store: the same routes through Mount, for
// clients outside, and through RoundTrip, in process.
//
// No fault of a caller is answered with 429, 408 or 5xx, which MLflow's client
// repeats for minutes.
type Server struct {
	store  *Store
	blobs  Blobs
	hooks  Hooks
	now    func() time.Time
	routes []route
	inside http.RoundTripper
}

// route is one path with what answers it.
type route struct {
	method, path string
	handler      fiber.Handler
}

// rpcPrefixes are where every RPC is found: clients use the first, MLflow's own
// pages the second; newer RPCs are at 3.0.
var rpcPrefixes = []string{"/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/"}

// NewServer gives the server of a store. Without blobs there are no artifacts; now
// is the clock, time.Now where it is nil.
func NewServer(s *Store, b Blobs, h Hooks, now func() time.Time) *Server {
	if now == nil {
		now = time.Now
	}
	if h.Held == nil {
		h.Held = func(context.Context, string, string) error { return nil }
	}
	server := &Server{store: s, blobs: b, hooks: h, now: now}
	server.add(http.MethodGet, "/health", plainText("OK"))
	server.add(http.MethodGet, "/version", plainText(mlflow.Version))
	handle(server, http.MethodGet, "server-info", server.info)
	server.experimentRoutes()
	server.runRoutes()
	server.artifactRoutes()
	server.loggedModelRoutes()
	server.registryRoutes()
	server.inside = newInside(server)
	return server
}

// Mount puts every route on a router, each for those who hold the role that it
// needs. Handlers give their errors as they are: the router's owner lets Refuse
// answer them.
func (s *Server) Mount(r fiber.Router) {
	for _, route := range s.routes {
		r.Add(route.method, route.path, guarded(s.Role(route.method, route.path), route.handler))
	}
}

// Refuse answers an error with MLflow's document.
func (s *Server) Refuse(c *fiber.Ctx, err error) {
	e, status := wireError(err)
	b, err := json.Marshal(e)
	if err != nil {
		b = []byte(`{"error_code":"INTERNAL_ERROR","message":""}`)
	}
	c.Status(status)
	c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(b)
}

// codes gives MLflow's code for each of ours.
var codes = map[perennial.Code]string{
	perennial.CodeMalformed:        mlflow.CodeInvalid,
	perennial.CodeUnauthorized:     mlflow.CodeNotLoggedIn,
	perennial.CodeForbidden:        mlflow.CodeDenied,
	perennial.CodeNotFound:         mlflow.CodeNotFound,
	perennial.CodeNotYet:           mlflow.CodeNotFound,
	perennial.CodeConflict:         mlflow.CodeInvalid,
	perennial.CodePrecondition:     mlflow.CodeInvalid,
	perennial.CodeTooLarge:         mlflow.CodeInvalid,
	perennial.CodeUnsupportedMedia: mlflow.CodeInvalid,
	perennial.CodeInvalid:          mlflow.CodeInvalid,
	perennial.CodeRateLimited:      mlflow.CodeLimitExceeded,
	perennial.CodeInternal:         mlflow.CodeInternal,
	perennial.CodeUnavailable:      mlflow.CodeUnavailable,
	perennial.CodeDeadline:         mlflow.CodeUnavailable,
}

// wireError gives the document and the HTTP status of any error. The text of an
// error that is nobody's message stays inside.
func wireError(err error) (e *mlflow.Error, status int) {
	if errors.As(err, &e) {
		return e, e.Status()
	}
	if fe, ok := errors.AsType[*fiber.Error](err); ok {
		switch fe.Code {
		case http.StatusNotFound, http.StatusMethodNotAllowed:
			return mlflow.Errorf(mlflow.CodeNoEndpoint, "There is no such endpoint here. Perennial answers MLflow's runs, models and artifacts; docs/mlflow.md lists what it doesn't."), fe.Code
		case http.StatusRequestTimeout:
			return mlflow.Invalid("The request's body didn't come to its end."), http.StatusBadRequest
		}
		return mlflow.Invalid("%s", fe.Message), fe.Code
	}
	code, ok := codes[perennial.CodeOf(err)]
	if !ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		code = mlflow.CodeUnavailable
	}
	message, hint, _ := perennial.Explain(err)
	if hint != "" {
		message = strings.TrimSuffix(message, ".") + ". " + hint
	}
	e = mlflow.Errorf(code, "%s", message)
	return e, e.Status()
}

// handle registers one RPC, by its path below MLflow's prefixes, as "runs/create".
// In comes from the query and the path's parameters, or from the JSON body; unknown
// fields are ignored. Out is answered as JSON, {} for nil.
func handle[In, Out any](s *Server, method, path string, f func(ctx context.Context, in *In) (*Out, error)) {
	read := newReader[In](method)
	handler := func(c *fiber.Ctx) error {
		in, err := read(c)
		if err != nil {
			return err
		}
		out, err := f(c.UserContext(), in)
		if err != nil {
			return err
		}
		return answer(c, out)
	}
	for _, prefix := range rpcPrefixes {
		s.add(method, prefix+path, handler)
	}
}

// add registers a route that is no RPC.
func (s *Server) add(method, path string, handler fiber.Handler) {
	s.routes = append(s.routes, route{method: method, path: path, handler: handler})
}

// appender is an answer that writes its own JSON: the long ones do.
type appender interface{ AppendJSON(b []byte) []byte }

func answer[Out any](c *fiber.Ctx, out *Out) error {
	b := []byte("{}")
	if long, ok := any(out).(appender); ok && out != nil {
		b = long.AppendJSON(nil)
	} else if out != nil {
		var err error
		if b, err = json.Marshal(out); err != nil {
			return perennial.Wrap("tracking.answer", err)
		}
	}
	c.Response().Header.SetContentType(fiber.MIMEApplicationJSON)
	c.Response().SetBodyRaw(b)
	return nil
}

func plainText(text string) fiber.Handler {
	return func(c *fiber.Ctx) error { return c.SendString(text) }
}

func (s *Server) info(context.Context, *mlflow.Void) (*mlflow.ServerInfo, error) {
	return &mlflow.ServerInfo{StoreType: "SqlStore", FeaturesEnabled: map[string]bool{"gateway": false}}, nil
}

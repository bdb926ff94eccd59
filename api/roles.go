package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
)

// open is the role of routes that ask nothing.
const open perennial.AccessRole = "open"

// roles is the one table from a route, as the OpenAPI document writes it, to the
// role it needs. A route that isn't here can't be registered.
var roles = map[string]perennial.AccessRole{
	"GET /healthz": open,
	"GET /readyz":  open,

	"GET /":                                  perennial.AccessReader,
	"GET /docs":                              perennial.AccessReader,
	"GET /docs/problems/{code}":              perennial.AccessReader,
	"GET /openapi.json":                      perennial.AccessReader,
	"GET /metrics":                           perennial.AccessReader,
	"GET /status":                            perennial.AccessReader,
	"GET /predictions":                       perennial.AccessReader,
	"GET /predictions/{id}":                  perennial.AccessReader,
	"GET /models":                            perennial.AccessReader,
	"GET /models/{model}":                    perennial.AccessReader,
	"GET /models/{model}/versions":           perennial.AccessReader,
	"GET /models/{model}/versions/{version}": perennial.AccessReader,
	"GET /models/{model}/schema":             perennial.AccessReader,
	"GET /models/{model}/history":            perennial.AccessReader,
	"GET /pipelines":                         perennial.AccessReader,
	"GET /pipelines/{pipeline}":              perennial.AccessReader,
	"GET /workflows":                         perennial.AccessReader,
	"GET /workflows/{id}":                    perennial.AccessReader,
	"GET /runs":                              perennial.AccessReader,
	"GET /runs/{run}":                        perennial.AccessReader,
	"GET /runs/{run}/artifacts":              perennial.AccessReader,
	"GET /runs/{run}/artifacts/{path}":       perennial.AccessReader,
	"GET /models/{model}/stream":             perennial.AccessReader,
	"GET /datasets":                          perennial.AccessReader,
	"GET /datasets/{path}":                   perennial.AccessReader,
	"GET /lineage/data/{md5}":                perennial.AccessReader,
	"GET /decisions/{id}":                    perennial.AccessReader,
	"GET /models/{model}/rollout":            perennial.AccessReader,
	"GET /schedules":                         perennial.AccessReader,
	"GET /schedules/{pipeline}":              perennial.AccessReader,

	"POST /predict": perennial.AccessPredictor,

	"POST /retrain":                    perennial.AccessTrainer,
	"PUT /pipelines/{pipeline}":        perennial.AccessTrainer,
	"PUT /datasets/{path}":             perennial.AccessTrainer,
	"POST /pipelines/{pipeline}/train": perennial.AccessTrainer,
	"POST /workflows/{id}/cancel":      perennial.AccessTrainer,
	"POST /runs/{run}/reproduce":       perennial.AccessTrainer,
	"POST /models/{model}/versions":    perennial.AccessTrainer,

	"DELETE /pipelines/{pipeline}":              perennial.AccessOperator,
	"DELETE /models/{model}/versions/{version}": perennial.AccessOperator,
	"POST /models/{model}/rollout":              perennial.AccessOperator,
	"POST /models/{model}/rollout/pause":        perennial.AccessOperator,
	"POST /models/{model}/rollout/resume":       perennial.AccessOperator,
	"POST /models/{model}/rollout/promote":      perennial.AccessOperator,
	"POST /models/{model}/rollout/abort":        perennial.AccessOperator,
	"POST /models/{model}/rollback":             perennial.AccessOperator,
	"PUT /schedules/{pipeline}":                 perennial.AccessOperator,
	"DELETE /schedules/{pipeline}":              perennial.AccessOperator,
	"POST /freeze":                              perennial.AccessOperator,
	"DELETE /freeze":                            perennial.AccessOperator,

	"GET /tokens":         perennial.AccessAdmin,
	"POST /tokens":        perennial.AccessAdmin,
	"DELETE /tokens/{id}": perennial.AccessAdmin,
	"GET /audit":          perennial.AccessAdmin,
	"GET /audit/verify":   perennial.AccessAdmin,
}

// roleOf gives the role that a route needs.
func roleOf(method, path string) perennial.AccessRole {
	role, ok := roles[method+" "+path]
	if !ok {
		panic(fmt.Sprintf("api: %s %s has no role: add it to the table in roles.go", method, path))
	}
	return role
}

// handle adds a route that huma doesn't serve. pattern is the path in Fiber's
// words.
func (s *Server) handle(method, path, pattern string, handler fiber.Handler) {
	s.templates[pattern] = path
	needed := roleOf(method, path)
	s.app.Add(method, pattern, func(c *fiber.Ctx) error {
		if err := allow(exchangeOf(c).actor, needed); err != nil {
			return err
		}
		return handler(c)
	})
}

// unguarded names a route that was put on the app past handle and register, "" for
// none: it would be open to whoever holds any token.
func (s *Server) unguarded() string {
	for _, r := range s.app.GetRoutes(true) {
		if s.ofGuest(r.Path) {
			continue // it has roles of its own
		}
		if _, ok := roles[r.Method+" "+s.templates[r.Path]]; !ok {
			return r.Method + " " + r.Path
		}
	}
	return ""
}

// allow refuses who lacks the role that a route needs.
func allow(actor perennial.Actor, needed perennial.AccessRole) error {
	if needed == open || actor.Role.Holds(needed) {
		return nil
	}
	p := newProblem(perennial.CodeForbidden, fmt.Sprintf("This needs the role %s.", needed))
	p.Hint = "Ask with a token of that role or a higher one."
	p.challenge = fmt.Sprintf(`Bearer realm="perennial", error="insufficient_scope", scope=%q`, string(needed))
	return p
}

// isOpen reports whether a path asks nothing, not even who comes.
func isOpen(path string) bool { return roles[http.MethodGet+" "+path] == open }

// anyone is who asks through an API without authentication.
const anyone = "api"

// who tells who sent a request: whoever holds its token, or anyone where
// authentication is off.
func (s *Server) who(c *fiber.Ctx) (perennial.Actor, error) {
	if s.o.Access == nil {
		return perennial.Actor{Name: anyone, Role: perennial.AccessAdmin}, nil
	}
	if isOpen(c.Path()) || s.ofGuest(c.Path()) && s.guest.Role(c.Method(), c.Path()) == "" {
		return perennial.Actor{}, nil
	}
	header := c.Get(fiber.HeaderAuthorization)
	scheme, token, _ := strings.Cut(header, " ")
	if header == "" || !strings.EqualFold(scheme, "Bearer") {
		p := newProblem(perennial.CodeUnauthorized, "This needs a token, and none came.")
		p.Hint = "Send the header Authorization: Bearer with a token; on the command line give --token-file or set PERENNIAL_TOKEN."
		p.challenge = `Bearer realm="perennial"`
		return perennial.Actor{}, p
	}
	actor, err := s.o.Access.Authenticate(strings.TrimSpace(token))
	if err != nil {
		p := problemOf(err)
		if p.Code == perennial.CodeUnauthorized {
			p.challenge = `Bearer realm="perennial", error="invalid_token"`
		}
		return perennial.Actor{}, p
	}
	return actor, nil
}

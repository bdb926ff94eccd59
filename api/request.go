package api

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/perennial-ml/perennial"
)

// exchange is what one request carries from handler to log.
type exchange struct {
	id     string
	path   string // as it came, for instance and the log
	query  string // as it came
	actor  perennial.Actor
	routed bool   // it was let in and looked for its route
	cause  error  // behind an error answer, for the log only
	stack  []byte // of a panic
}

type exchangeKey struct{}

// exchangeOf gives the request's exchange, beginning one where there is none
// yet: a request that fasthttp refuses never reaches around.
func exchangeOf(c *fiber.Ctx) *exchange {
	if ex, ok := c.Locals(exchangeKey{}).(*exchange); ok {
		return ex
	}
	uri := c.Request().URI()
	ex := &exchange{id: requestID(c), path: string(uri.PathOriginal()), query: string(uri.QueryString())}
	c.Locals(exchangeKey{}, ex)
	c.Set(fiber.HeaderXRequestID, ex.id)
	return ex
}

// requestID takes the caller's id where it is sane: 1 to 64 letters, digits,
// dots, dashes and underscores.
func requestID(c *fiber.Ctx) string {
	id := c.Get(fiber.HeaderXRequestID)
	if id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == "" {
		return strings.Clone(id)
	}
	return uuid.Must(uuid.NewV7()).String()
}

// around is the one way in: request id, limits, access, deadline, recovery from
// panics, problem documents, metrics and log.
func (s *Server) around(c *fiber.Ctx) error {
	start, method := time.Now(), c.Method()
	ex := exchangeOf(c)
	if method == fiber.MethodHead {
		c.Method(fiber.MethodGet) // it takes the same way; its body isn't sent
	}
	if s.draining.Load() {
		c.Context().SetConnectionClose()
	}
	err := s.guarded(c, ex)
	if err != nil {
		s.refuse(c, ex, err)
	}
	route, status, took := s.route(c, ex, err), c.Response().StatusCode(), time.Since(start)
	s.metrics.observe(route, method, status, took)
	s.log(c, ex, route, status, took)
	return nil
}

// guarded runs the handler within the limits. A panic is an internal error.
func (s *Server) guarded(c *fiber.Ctx, ex *exchange) (err error) {
	defer func() {
		if r := recover(); r != nil {
			ex.stack = debug.Stack()
			err = perennial.Wrap("api", fmt.Errorf("panic: %v", r))
		}
	}()
	if !exempt(c.Path()) {
		defer s.inFlight.Add(-1)
		if s.inFlight.Add(1) > int64(s.o.MaxInFlight) {
			return perennial.Errorf(perennial.CodeUnavailable, "api", "Too many requests are at work.")
		}
	}
	if err := s.admit(c); err != nil {
		return err
	}
	if !readable(c.Request().URI()) {
		return perennial.Errorf(perennial.CodeMalformed, "api", "The address holds bytes that are no text.").
			WithHint("Names and ids are UTF-8 without control characters.")
	}
	actor, err := s.who(c)
	if err != nil {
		return err
	}
	actor.RequestID = ex.id
	ex.actor = actor
	if s.ofGuest(c.Path()) {
		if err := s.admitGuest(c, actor); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(s.base, s.timeout(c.Context()))
	defer cancel()
	c.SetUserContext(perennial.WithActor(ctx, actor))
	ex.routed = true
	if path, ok := strings.CutPrefix(c.Path(), datasetsPath); ok && strings.Contains(path, "/") {
		c.Path(datasetsPath + strings.ReplaceAll(path, "/", "%2F"))
	}
	return c.Next()
}

// datasetsPath is where a path follows that may have slashes of its own, which
// routing takes for one segment.
const datasetsPath = "/datasets/"

// readable reports whether an address is text once its escapes are read: what
// isn't can be no name of anything, and some databases refuse to be asked for it.
func readable(uri *fasthttp.URI) bool {
	ok := isText(uri.Path())
	for name, value := range uri.QueryArgs().All() {
		ok = ok && isText(name) && isText(value)
	}
	return ok
}

func isText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, unicode.IsControl)
}

// exempt reports whether a path must answer however busy the API is.
func exempt(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/metrics"
}

// log writes one line: debug, or warn with the cause where it is our fault.
func (s *Server) log(c *fiber.Ctx, ex *exchange, route string, status int, took time.Duration) {
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !s.o.Logger.Enabled(s.base, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", ex.id), slog.String("method", strings.Clone(c.Method())), slog.String("route", route),
		slog.String("path", ex.path), slog.Int("status", status), slog.Duration("took", took),
	}
	if ex.cause != nil {
		attrs = append(attrs, slog.String("error", ex.cause.Error()))
	}
	if ex.stack != nil {
		attrs = append(attrs, slog.String("stack", string(ex.stack)))
	}
	s.o.Logger.LogAttrs(s.base, level, "request", attrs...)
}

// route gives the request's route as the OpenAPI document writes it, "none"
// where no route took it.
func (s *Server) route(c *fiber.Ctx, ex *exchange, err error) string {
	if !ex.routed {
		return "none"
	}
	if fe, ok := err.(*fiber.Error); ok && (fe.Code == http.StatusNotFound || fe.Code == http.StatusMethodNotAllowed) { //nolint:errorlint // Fiber's router gives it bare
		return "none"
	}
	pattern := c.Route().Path
	if template, ok := s.templates[pattern]; ok {
		return template
	}
	return pattern
}

// explain adds the routes nearby to a path that none has.
func (s *Server) explain(c *fiber.Ctx, p *problem) *problem {
	if fe, ok := p.cause.(*fiber.Error); ok && fe.Code == http.StatusNotFound { //nolint:errorlint // Fiber's router gives it bare
		if near := s.nearby(c.Path()); len(near) > 0 {
			p.Hint = "Did you mean " + strings.Join(near, " or ") + "? GET /docs lists every route."
		} else {
			p.Hint = "GET /docs lists every route."
		}
	}
	return p
}

// serverError answers what never reached a handler: a body over the limit, a
// broken request line, headers too large.
func (s *Server) serverError(c *fiber.Ctx, err error) error {
	ex := exchangeOf(c)
	s.refuse(c, ex, err)
	if conn, ok := c.Context().Conn().(interface{ Linger() }); ok {
		conn.Linger() // the rest of the request may be on its way
	}
	status := c.Response().StatusCode()
	s.metrics.observe("none", c.Method(), status, 0)
	s.log(c, ex, "none", status, 0)
	return nil
}

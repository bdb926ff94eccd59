package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
)

// answer is a 200 with a JSON body.
type answer[T any] struct{ Body T }

func ok[T any](body T) *answer[T] { return &answer[T]{Body: body} }

// setUpHuma makes huma's errors ours. They are package variables of huma's, so
// this happens once for the process.
var setUpHuma = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false // our lists are [], never null
	huma.ValidateStrictCasing = true  // "Budget" is an unknown field, as in POST /predict
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return humaProblem(status, msg, errs)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		p := humaProblem(status, msg, errs)
		if ex, ok := ctx.Context().Value(exchangeKey{}).(*exchange); ok {
			p.RequestID, p.Instance, ex.cause = ex.id, ex.path, p.cause
		}
		if p.retryAfter > 0 {
			ctx.SetHeader(fiber.HeaderRetryAfter, strconv.Itoa(p.retryAfter))
		}
		if p.challenge != "" {
			ctx.SetHeader(fiber.HeaderWWWAuthenticate, p.challenge)
		}
		return p
	}
})

func newHuma(app *fiber.App, build string) huma.API {
	setUpHuma()
	config := huma.DefaultConfig("Perennial", build)
	config.Info.Description = "Keeps a good model in production: predictions, their lineage, training, versions and traffic. Every error is an application/problem+json document; its code is explained under /docs/problems/{code}."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // ours are in docs.go
	config.CreateHooks = nil                                             // no $schema field in answers
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{securityScheme: {
		Type: "http", Scheme: "bearer", Description: "A token of the role that the route names, or of a higher one. Asked for where authentication is on.",
	}}
	api := humafiber.New(app, config)
	api.UseMiddleware(func(ctx huma.Context, next func(huma.Context)) {
		c := copied{ctx}
		if err := allow(exchangeOf(humafiber.Unwrap(ctx)).actor, roleOf(ctx.Operation().Method, ctx.Operation().Path)); err != nil {
			_ = huma.WriteErr(api, c, http.StatusInternalServerError, "", err)
			return
		}
		if hasBody(ctx) {
			if err := jsonBody(c.Header(fiber.HeaderContentType), c.Header(fiber.HeaderContentEncoding)); err != nil {
				_ = huma.WriteErr(api, c, http.StatusUnsupportedMediaType, "", err)
				return
			}
		}
		next(c)
	})
	return api
}

// hasBody reports whether a request must say what its body is. A delete without
// one is no form that any page could send.
func hasBody(ctx huma.Context) bool {
	switch ctx.Method() {
	case http.MethodGet, http.MethodHead:
		return false
	case http.MethodDelete:
		return len(humafiber.Unwrap(ctx).Request().Body()) > 0
	}
	return true
}

type humaContext huma.Context

// copied gives a handler strings of its own: Fiber's point into a buffer that
// the next request overwrites. Path parameters are percent-decoded, because
// Fiber routes on the path as it came.
type copied struct{ humaContext }

func (c copied) Param(name string) string {
	v := c.humaContext.Param(name)
	if decoded, err := url.PathUnescape(v); err == nil {
		v = decoded
	}
	return strings.Clone(v)
}

func (c copied) Query(name string) string  { return strings.Clone(c.humaContext.Query(name)) }
func (c copied) Header(name string) string { return strings.Clone(c.humaContext.Header(name)) }

// URL gives the query of an address that can't be parsed as well.
func (c copied) URL() url.URL {
	ex, _ := c.Context().Value(exchangeKey{}).(*exchange)
	if ex == nil {
		return url.URL{}
	}
	return url.URL{Path: ex.path, RawQuery: ex.query}
}

// BodyReader gives the body that receive has read; humafiber's would ask for the
// stream.
func (c copied) BodyReader() io.Reader {
	return bytes.NewReader(humafiber.Unwrap(c.humaContext).Request().Body())
}

// SetReadDeadline does nothing: the body is here before a handler runs, and the
// deadline would stay with the connection.
func (c copied) SetReadDeadline(time.Time) error { return nil }

// humaProblem turns what huma found, or what a handler returned, into a
// problem.
func humaProblem(status int, msg string, errs []error) *problem {
	var own *perennial.Error
	for _, err := range errs {
		if errors.As(err, &own) || status == http.StatusInternalServerError {
			return problemOf(err)
		}
	}
	switch {
	case status == http.StatusInternalServerError:
		return withCause(newProblem(perennial.CodeInternal, "Something went wrong on our side; the log has the details."), errors.New(msg))
	case status == http.StatusUnprocessableEntity:
		fields := make([]perennial.FieldError, 0, len(errs))
		for _, err := range errs {
			fields = append(fields, fieldError(err))
		}
		p := newProblem(perennial.CodeInvalid, counted(len(fields))+"; nothing was done.")
		p.Errors = fields
		return p
	case status == http.StatusBadRequest && len(errs) == 0:
		p := newProblem(perennial.CodeMalformed, "The request body is empty.")
		p.Hint = "Send a JSON object, at least {}."
		return p
	case status == http.StatusBadRequest:
		p := newProblem(perennial.CodeMalformed, "The request body is not JSON: "+detailOf(errs[0]).Message+".")
		p.Hint = "Send one JSON object."
		return p
	}
	return problemOfStatus(status)
}

func counted(n int) string {
	if n == 1 {
		return "1 field is wrong"
	}
	return fmt.Sprintf("%d fields are wrong", n)
}

func detailOf(err error) *huma.ErrorDetail {
	var d huma.ErrorDetailer
	if errors.As(err, &d) {
		return d.ErrorDetail()
	}
	return &huma.ErrorDetail{Message: err.Error()}
}

// The beginnings of huma's messages, by the rule that was broken.
var humaRules = []struct{ prefix, rule string }{
	{"unexpected property", perennial.RuleExtra},
	{"unknown query parameter", perennial.RuleExtra},
	{"expected required property", perennial.RuleRequired},
	{"required ", perennial.RuleRequired},
	{"expected value to be one of", perennial.RuleCategory},
	{"expected number >", perennial.RuleRange},
	{"expected number <", perennial.RuleRange},
	{"expected length", "length"},
	{"expected string to match", "pattern"},
	{"expected", perennial.RuleType},
	{"invalid ", perennial.RuleType},
}

// fieldError turns one fault that huma found into ours. "body.a.b[0]" becomes
// "/a/b/0", "query.limit" "/query/limit".
func fieldError(err error) perennial.FieldError {
	d := detailOf(err)
	f := perennial.FieldError{Path: pointer(d.Location), Rule: "value", Message: sentence(d.Message)}
	for _, r := range humaRules {
		if strings.HasPrefix(d.Message, r.prefix) {
			f.Rule = r.rule
			break
		}
	}
	var missing string
	if n, _ := fmt.Sscanf(d.Message, "expected required property %s to be present", &missing); n == 1 {
		f.Path += "/" + missing
	}
	if list, ok := strings.CutPrefix(d.Message, "expected value to be one of \""); ok {
		f.Allowed = strings.Split(strings.TrimSuffix(list, "\""), ", ")
	}
	switch v := d.Value.(type) {
	case string:
		if v != "" {
			f.Came = v[:min(len(v), 100)]
		}
	case float64, bool:
		f.Came = v
	}
	return f
}

func pointer(location string) string {
	location = strings.NewReplacer("[", ".", "]", "").Replace(location)
	first, rest, _ := strings.Cut(location, ".")
	switch {
	case first != "body":
		return "/" + strings.ReplaceAll(location, ".", "/")
	case rest == "":
		return ""
	default:
		return "/" + strings.ReplaceAll(rest, ".", "/")
	}
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// register adds one operation and remembers its template for the metrics.
func register[I, O any](s *Server, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	secure(&op)
	s.templates[fiberPattern(op.Path)] = op.Path
	huma.Register(s.huma, op, handler)
}

// securityScheme names the one way to say who asks, in the OpenAPI document.
const securityScheme = "token"

// secure writes into an operation's document which role it needs.
func secure(op *huma.Operation) {
	needed := roleOf(op.Method, op.Path)
	if needed == open {
		return
	}
	op.Security = []map[string][]string{{securityScheme: {}}}
	op.Extensions = map[string]any{"x-role": string(needed)}
}

// fiberPattern writes a template as humafiber does.
func fiberPattern(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

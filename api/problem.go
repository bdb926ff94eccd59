package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/serve"
)

// codeInfo is what HTTP says for one code.
type codeInfo struct {
	status int
	title  string
	about  string // for /docs/problems/{code}: what it means and what to do
}

// codes is the one table from a code to HTTP.
var codes = map[perennial.Code]codeInfo{
	perennial.CodeMalformed:        {http.StatusBadRequest, "The request can't be read", "The bytes are not what they claim to be: broken JSON, an empty body, a bad path. Mend the request; sending it again changes nothing. A method that a path doesn't take has this code too, with status 405 and the header Allow."},
	perennial.CodeUnauthorized:     {http.StatusUnauthorized, "A token is needed", "No token came, or an unknown one. Send a token as Authorization: Bearer."},
	perennial.CodeForbidden:        {http.StatusForbidden, "Not allowed", "The token lacks the role, or the Host or Origin header names a place that may not use this API."},
	perennial.CodeNotFound:         {http.StatusNotFound, "No such thing", "Nothing has this name or id, or no route has this path."},
	perennial.CodeNotYet:           {http.StatusNotFound, "Not there yet", "It will exist soon: try again after the seconds in Retry-After."},
	perennial.CodeConflict:         {http.StatusConflict, "It contradicts what is there", "The change doesn't fit the present state. Look at the state and ask again."},
	perennial.CodePrecondition:     {http.StatusPreconditionFailed, "The state moved on", "The state isn't the one that the request was made for, or a rule forbids the change now."},
	perennial.CodeTooLarge:         {http.StatusRequestEntityTooLarge, "Too large", "The request is over a limit. Send fewer rows at once."},
	perennial.CodeUnsupportedMedia: {http.StatusUnsupportedMediaType, "Wrong content type", "Send Content-Type: application/json, without Content-Encoding."},
	perennial.CodeInvalid:          {http.StatusUnprocessableEntity, "A value is wrong", "The request was understood, but values in it break the rules listed in errors. Each has the path of the value."},
	perennial.CodeRateLimited:      {http.StatusTooManyRequests, "Too many requests", "Ask again after the seconds in Retry-After."},
	perennial.CodeInternal:         {http.StatusInternalServerError, "Our fault", "Something went wrong inside. The log has the cause under the request id."},
	perennial.CodeUnavailable:      {http.StatusServiceUnavailable, "Not available now", "A model or a dependency isn't there now, or too many requests are at work. Ask again after the seconds in Retry-After."},
	perennial.CodeDeadline:         {http.StatusGatewayTimeout, "It took too long", "The time for a request was over. Ask for less at once, or again later."},
}

// problem is a problem document with what belongs into headers and log.
type problem struct {
	client.Problem
	retryAfter int    // seconds; 0: no header
	challenge  string // of WWW-Authenticate; "": no header
	cause      error
}

// Error, GetStatus and ContentType make it what huma takes for an error.
func (p *problem) Error() string             { return p.Detail }
func (p *problem) GetStatus() int            { return p.Status }
func (p *problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

func newProblem(code perennial.Code, detail string) *problem {
	info, ok := codes[code]
	if !ok {
		code, info = perennial.CodeInternal, codes[perennial.CodeInternal]
	}
	p := &problem{Problem: client.Problem{
		Type: "/docs/problems/" + string(code), Title: info.title, Status: info.status, Code: code, Detail: detail,
	}}
	switch code {
	case perennial.CodeUnavailable, perennial.CodeRateLimited, perennial.CodeNotYet:
		p.retryAfter = 1
	default:
	}
	return p
}

// problemOf turns any error into a problem. The text of an error that is not
// ours stays in the log.
func problemOf(err error) *problem {
	if ready, ok := errors.AsType[*problem](err); ok {
		return ready
	}
	if fe, ok := errors.AsType[*fiber.Error](err); ok {
		p := problemOfStatus(fe.Code)
		p.cause = err
		return p
	}
	code := perennial.CodeOf(err)
	if code == perennial.CodeInternal {
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return withCause(newProblem(perennial.CodeDeadline, "The time for this request was over."), err)
		case errors.Is(err, context.Canceled):
			return withCause(newProblem(perennial.CodeUnavailable, "The server is stopping."), err)
		}
	}
	message, hint, fields := perennial.Explain(err)
	p := newProblem(code, message)
	p.Hint, p.Errors, p.cause = hint, fields, err
	if len(fields) == 1 && fields[0].Rule == serve.RuleNoVersion {
		p.retryAfter = 0 // waiting doesn't help
	}
	return p
}

func withCause(p *problem, err error) *problem {
	p.cause = err
	return p
}

// problemOfStatus is for what Fiber and fasthttp refuse by themselves.
func problemOfStatus(status int) *problem {
	switch status {
	case http.StatusNotFound:
		return newProblem(perennial.CodeNotFound, "No route has this path.")
	case http.StatusMethodNotAllowed:
		p := newProblem(perennial.CodeMalformed, "This path doesn't take this method; the header Allow lists those it takes.")
		p.Status = status
		return p
	case http.StatusRequestEntityTooLarge:
		return newProblem(perennial.CodeTooLarge, "The request body is over the limit.")
	case http.StatusRequestHeaderFieldsTooLarge:
		p := newProblem(perennial.CodeTooLarge, "The request's address and headers are over the limit.")
		p.Hint = fmt.Sprintf("They may hold %d bytes together.", maxHead)
		return p
	case http.StatusRequestTimeout, http.StatusBadGateway:
		return newProblem(perennial.CodeDeadline, "The request didn't arrive in time.")
	case http.StatusUnsupportedMediaType:
		return newProblem(perennial.CodeUnsupportedMedia, "Send Content-Type: application/json, without Content-Encoding.")
	}
	if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
		return newProblem(perennial.CodeMalformed, "The request can't be read.")
	}
	return newProblem(perennial.CodeInternal, "Something went wrong on our side; the log has the details.")
}

// write answers with the problem and keeps its cause for the log.
func (s *Server) write(c *fiber.Ctx, p *problem) {
	ex := exchangeOf(c)
	ex.cause = p.cause
	p.RequestID = ex.id
	p.Instance = ex.path
	if p.Code == perennial.CodeTooLarge && p.Hint == "" {
		p.Hint = fmt.Sprintf("At most %d bytes a request; send fewer rows at once.", s.o.MaxBody)
	}
	c.Response().ResetBody()
	if p.retryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, fmt.Sprint(p.retryAfter))
	}
	if p.challenge != "" {
		c.Set(fiber.HeaderWWWAuthenticate, p.challenge)
	}
	c.Status(p.Status).Response().Header.SetContentType(problemType)
	enc := json.NewEncoder(c.Response().BodyWriter())
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil { // a value that came can't be written back
		p.Errors = nil
		_ = enc.Encode(p) //nolint:errchkjson // strings and numbers only
	}
}

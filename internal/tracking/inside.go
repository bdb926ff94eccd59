package tracking

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/perennial-ml/perennial"
)

// RoundTrip answers a request in this process: the transport of a client where
// there is no port and no token. Host and scheme of the address don't matter; the
// request's context is the handler's.
func (s *Server) RoundTrip(req *http.Request) (*http.Response, error) { return s.inside.RoundTrip(req) }

// inside is a Fiber app that nobody listens for.
type inside struct{ handler fasthttp.RequestHandler }

func newInside(s *Server) *inside {
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true, CaseSensitive: true,
		ErrorHandler: func(c *fiber.Ctx, err error) error {
			s.Refuse(c, err)
			return nil
		},
	})
	app.Use(func(c *fiber.Ctx) error {
		if ctx, ok := c.Context().UserValue(contextKey{}).(context.Context); ok {
			c.SetUserContext(ctx)
		}
		return c.Next()
	})
	for _, route := range s.routes { // whoever is in this process needs no role
		app.Add(route.method, route.path, route.handler)
	}
	return &inside{handler: app.Handler()}
}

// contextKey holds a request's context on its way through fasthttp.
type contextKey struct{}

func (i *inside) RoundTrip(req *http.Request) (answer *http.Response, err error) {
	if req.Body != nil {
		defer req.Body.Close() //nolint:errcheck // a RoundTripper's duty; it was only read from
	}
	defer func() {
		if r := recover(); r != nil {
			answer, err = nil, perennial.Wrap("tracking.RoundTrip", fmt.Errorf("panic: %v", r))
		}
	}()
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	var c fasthttp.RequestCtx
	c.Init(&fasthttp.Request{}, nil, nil)
	c.SetUserValue(contextKey{}, req.Context())
	c.Request.Header.SetMethod(req.Method)
	c.Request.SetRequestURI(req.URL.RequestURI())
	c.Request.Header.SetHost(req.URL.Host)
	for name, values := range req.Header {
		for _, v := range values {
			c.Request.Header.Add(name, v)
		}
	}
	if req.Body != nil && req.Body != http.NoBody {
		size := int(req.ContentLength)
		if size <= 0 {
			size = -1 // not known
		}
		c.Request.SetBodyStream(req.Body, size)
	}
	i.handler(&c)
	return response(&c, req), nil
}

// response gives what a handler left behind.
func response(c *fasthttp.RequestCtx, req *http.Request) *http.Response {
	status := c.Response.StatusCode()
	answer := &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status, Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
	}
	for name, value := range c.Response.Header.All() {
		answer.Header.Add(string(name), string(value))
	}
	if c.Response.IsBodyStream() {
		answer.ContentLength = int64(c.Response.Header.ContentLength())
		answer.Body = stream{Reader: c.Response.BodyStream(), close: c.Response.CloseBodyStream}
		return answer
	}
	body := c.Response.Body()
	answer.ContentLength = int64(len(body))
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer
}

// stream is a body that is still to be read.
type stream struct {
	io.Reader

	close func() error
}

func (s stream) Close() error { return s.close() }

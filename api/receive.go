package api

import (
	"errors"
	"io"
	"net"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/semaphore"

	"github.com/perennial-ml/perennial"
)

const (
	// smallBody is how many bytes of a body fasthttp reads before any handler runs.
	smallBody = 8 << 10

	// largeBodies is how many bodies of the greatest size there is memory for at
	// once. Small ones don't count.
	largeBodies = 16
)

// enter is what fasthttp calls for every request: it takes in the body and hands
// the request to Fiber. A method that Fiber doesn't know goes on as one that no
// route takes: Fiber's own answer would be a plain text from before any handler.
func (s *Server) enter() {
	known := map[string]bool{}
	for _, m := range s.app.Config().RequestMethods {
		known[m] = true
	}
	next := s.app.Server().Handler
	s.app.Server().Handler = func(ctx *fasthttp.RequestCtx) {
		if !known[string(ctx.Method())] {
			ctx.Request.Header.SetMethod(fiber.MethodTrace)
		}
		if s.streams(ctx) {
			next(ctx)
			return
		}
		most, memory := s.limits(ctx)
		held, err := receive(ctx, most, memory)
		defer memory.Release(held)
		if err == nil {
			next(ctx)
			return
		}
		ctx.SetConnectionClose() // the rest of the body stands between here and the next request
		c := s.app.AcquireCtx(ctx)
		defer s.app.ReleaseCtx(c)
		_ = s.serverError(c, err) // gives none
	}
}

// receive reads a request's body, at most so many bytes, and gives how much of the
// memory for large bodies it holds.
//
// fasthttp is told to stream bodies, because it otherwise makes room for as many
// bytes as a request announces before one has come: a few hundred connections
// that announce the most and send nothing would take gigabytes. Here the room
// grows with what came, and all large bodies together have a bound. No handler
// but a guest's, which knows how to, sees the stream, so that none can leave half
// of a body to the next request.
func receive(ctx *fasthttp.RequestCtx, most int, memory *semaphore.Weighted) (held int64, err error) {
	stream, announced := ctx.RequestBodyStream(), ctx.Request.Header.ContentLength()
	switch {
	case stream == nil:
		return 0, nil
	case announced > most:
		return 0, fiber.ErrRequestEntityTooLarge
	case announced >= 0 && announced <= smallBody:
		ctx.Request.Body() // it is here already; this forgets the stream
		return 0, nil
	}
	body := make([]byte, 0, min(2*smallBody, most+1))
	for {
		if len(body) == cap(body) {
			more := min(cap(body), most+1-cap(body))
			if !memory.TryAcquire(int64(more)) {
				return held, perennial.Errorf(perennial.CodeUnavailable, "api.receive", "Too many large requests are at work.")
			}
			held += int64(more)
			body = append(make([]byte, 0, cap(body)+more), body...)
		}
		n, err := stream.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > most:
			return held, fiber.ErrRequestEntityTooLarge
		case errors.Is(err, io.EOF):
			ctx.Request.SetBodyRaw(body)
			return held, nil
		case err != nil:
			return held, broken(err)
		}
	}
}

// broken is the error of a body that did not come to its end.
func broken(err error) error {
	if fault, ok := errors.AsType[net.Error](err); ok && fault.Timeout() {
		return fiber.ErrRequestTimeout
	}
	return fiber.ErrBadRequest
}

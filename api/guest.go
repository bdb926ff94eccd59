package api

import (
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/utils"
	"github.com/valyala/fasthttp"

	"github.com/perennial-ml/perennial"
)

// Guest is a part that answers on the API's address by contracts of its own, as
// MLflow's REST API does (internal/tracking). What the API does for every request
// holds for its requests too: Host and Origin, tokens, limits, metrics, the log.
type Guest interface {
	Mount(r fiber.Router)
	// Owns reports whether a path is the guest's, whether it has a route or not. It,
	// Role and Streams are asked about every request and must not keep their strings.
	Owns(path string) bool
	// Role gives what a request needs; "": it is open.
	Role(method, path string) perennial.AccessRole
	// Streams reports whether a request's body is for its handler to read as it
	// comes. The handler bounds it, gives the request its time by the deadlines of
	// the connection, and leaves nothing of the body to the next request; the
	// connection's methods Ended and Linger help with that.
	Streams(method, path string) bool
	// Refuse answers an error in the guest's own form: one of its handlers', or a
	// *perennial.Error or *fiber.Error of the API.
	Refuse(c *fiber.Ctx, err error)
}

// guestTimeout is how long a guest's request may be at work, where the API's own
// limit is shorter: its answers may be long.
const guestTimeout = 30 * time.Second

// streamTimeout is how long a request may be at work whose body is streamed.
const streamTimeout = 6 * time.Hour

// Mount lets a guest answer what it owns. It must come before Start, and once.
func (s *Server) Mount(g Guest) {
	s.guest = g
	g.Mount(s.app)
}

// ofGuest reports whether a path is the guest's.
func (s *Server) ofGuest(path string) bool { return s.guest != nil && s.guest.Owns(path) }

// streams reports whether a request's body is left to its handler.
func (s *Server) streams(ctx *fasthttp.RequestCtx) bool {
	return s.guest != nil && s.guest.Streams(utils.UnsafeString(ctx.Method()), utils.UnsafeString(ctx.URI().PathOriginal()))
}

// admitGuest refuses who lacks the role that a guest's request needs.
func (s *Server) admitGuest(c *fiber.Ctx, actor perennial.Actor) error {
	if needed := s.guest.Role(c.Method(), c.Path()); needed != "" {
		return allow(actor, needed)
	}
	return nil
}

// refuse answers an error, in the guest's form where the path is the guest's.
func (s *Server) refuse(c *fiber.Ctx, ex *exchange, err error) {
	if !s.ofGuest(c.Path()) {
		s.write(c, s.explain(c, problemOf(err)))
		return
	}
	c.Response().ResetBody()
	if p, ok := errors.AsType[*problem](err); ok {
		if p.challenge != "" {
			c.Set(fiber.HeaderWWWAuthenticate, p.challenge)
		}
		err = perennial.Errorf(p.Code, "api", "%s", p.Detail).WithHint("%s", p.Hint).Because(p.cause)
	}
	ex.cause = err
	s.guest.Refuse(c, err)
}

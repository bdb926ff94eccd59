package api

import (
	"mime"
	"net"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/perennial-ml/perennial"
)

// admit applies the rules that keep web pages away from an API on loopback: the
// Host header must be a known one (a page whose name was rebound to 127.0.0.1
// sends its own), and a request that a page made must come from a page of ours.
// Perennial's own writes must be JSON besides (jsonBody).
func (s *Server) admit(c *fiber.Ctx) error {
	const op = "api"
	host := hostname(string(c.Request().Host()))
	if s.hosts != nil && !isLoopback(host) && !s.hosts[host] {
		return perennial.Errorf(perennial.CodeForbidden, op, "This API doesn't answer to the host name %q.", host).
			WithHint("Use 127.0.0.1 or localhost, or add the name to PERENNIAL_HOSTS.")
	}
	if origin := c.Get(fiber.HeaderOrigin); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, string(c.Request().Host())) {
			return perennial.Errorf(perennial.CodeForbidden, op, "A page of another origin may not use this API.").
				WithHint("Call the API from its own pages, or from a server without the Origin header.")
		}
	}
	return nil
}

// jsonBody refuses a write that is not plain JSON: a form on any page can send
// the other types without asking.
func jsonBody(contentType, contentEncoding string) error {
	const op = "api"
	if contentEncoding != "" {
		return perennial.Errorf(perennial.CodeUnsupportedMedia, op, "Encoded bodies are not taken.").
			WithHint("Send the JSON as it is, without Content-Encoding.")
	}
	if contentType == fiber.MIMEApplicationJSON {
		return nil
	}
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != fiber.MIMEApplicationJSON {
		return perennial.Errorf(perennial.CodeUnsupportedMedia, op, "The content type must be application/json.").
			WithHint("Send the header Content-Type: application/json.")
	}
	return nil
}

// hostname gives the lower-case name of a Host header without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func isLoopback(name string) bool {
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// onLoopback reports whether host:port is reachable from this machine only.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && isLoopback(strings.ToLower(host))
}

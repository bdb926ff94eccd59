package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/perennial-ml/perennial"
)

// DefaultURL is where `perennial up` listens.
const DefaultURL = "http://127.0.0.1:8080"

// Client speaks to one running Perennial. It is safe for concurrent use.
//
// Every method gives a *perennial.Error: the answered problem's code, detail,
// hint and field errors, or unavailable where nothing answers.
type Client struct {
	// Poll is the pause between two looks of FollowWorkflow, 250 ms by default.
	Poll time.Duration

	base  string
	token string
	http  *http.Client
}

// New gives a client of the API at baseURL ("" is DefaultURL) that sends the
// token, where there is one, as a bearer token.
func New(baseURL, token string) *Client {
	if baseURL == "" {
		baseURL = DefaultURL
	}
	if !strings.Contains(baseURL, "://") {
		baseURL = "http://" + baseURL
	}
	return &Client{
		Poll:  250 * time.Millisecond,
		base:  strings.TrimRight(baseURL, "/"),
		token: token,
		http:  &http.Client{Transport: transport()},
	}
}

// transport is a pool of this client's own, so that closing it leaves no
// connection of anyone else behind.
func transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       30 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
	}
}

// Trust replaces how the server's certificate is checked. It must be called
// before the first request.
func (c *Client) Trust(config *tls.Config) {
	if t, ok := c.http.Transport.(*http.Transport); ok {
		t.TLSClientConfig = config
	}
}

// URL gives the address this client speaks to.
func (c *Client) URL() string { return c.base }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends one request and decodes the answer into out, unless out is nil. An
// out of type *[]byte receives the answer's bytes.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	op := "client " + method + " " + path
	var body io.Reader
	if in != nil {
		b, ok := in.([]byte)
		if !ok {
			var err error
			if b, err = json.Marshal(in); err != nil {
				return perennial.Wrap(op, err)
			}
		}
		body = bytes.NewReader(b)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return perennial.Errorf(perennial.CodeInvalid, op, "%q is no address of a Perennial API", c.base).
			WithHint("Give --api or PERENNIAL_API an address like %s.", DefaultURL).Because(err)
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(ctx, op, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return c.unreachable(ctx, op, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return problemError(op, resp, b)
	}
	return c.decode(op, b, out)
}

func (c *Client) decode(op string, b []byte, out any) error {
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = b
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return perennial.Errorf(perennial.CodeInternal, op, "%s answered something that is no Perennial", c.base).
			WithHint("Is another program listening there? Give the right address with --api or PERENNIAL_API.").Because(err)
	}
	return nil
}

// unreachable explains why no answer came.
func (c *Client) unreachable(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		code := perennial.CodeUnavailable
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			code = perennial.CodeDeadline
		}
		return perennial.Errorf(code, op, "the request to %s was given up", c.base).Because(err)
	}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return perennial.Errorf(perennial.CodeUnavailable, op, "there is no host %s", dns.Name).
			WithHint("Give the right address with --api or PERENNIAL_API.").Because(err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return perennial.Errorf(perennial.CodeUnavailable, op, "nothing answers at %s: is `perennial up` running?", c.base).
			WithHint("Start it with `perennial up`, or give another address with --api or PERENNIAL_API.").Because(err)
	default:
		reason := err
		if u, ok := errors.AsType[*url.Error](err); ok {
			reason = u.Err
		}
		return perennial.Errorf(perennial.CodeUnavailable, op, "no answer came from %s: %v", c.base, reason).
			WithHint("Look into the log of that process, or give another address with --api or PERENNIAL_API.").Because(err)
	}
}

// problemError turns an error answer into an Error.
func problemError(op string, resp *http.Response, b []byte) error {
	var p Problem
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind != "application/problem+json" || json.Unmarshal(b, &p) != nil || p.Code == "" {
		return perennial.Errorf(codeOfStatus(resp.StatusCode), op, "%s answered %s", resp.Request.URL.Host, resp.Status).
			WithHint("That is no answer of Perennial's: is another program listening there?")
	}
	e := perennial.Errorf(p.Code, op, "%s", p.Detail)
	e.Hint, e.Fields = p.Hint, p.Errors
	answered := &answer{status: resp.StatusCode, request: p.RequestID}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
		answered.again, answered.after = true, time.Duration(seconds)*time.Second
	}
	e.Err = answered
	return e
}

// answer is the HTTP side of a problem.
type answer struct {
	status  int
	request string
	again   bool // it may be asked for again,
	after   time.Duration
}

func (a *answer) Error() string { return fmt.Sprintf("HTTP %d, request %s", a.status, a.request) }

// RetryAfter gives how long the server asked to wait before the same request is
// sent again; false where it didn't.
func RetryAfter(err error) (wait time.Duration, ok bool) {
	a, ok := errors.AsType[*answer](err)
	if !ok {
		return 0, false
	}
	return a.after, a.again
}

func codeOfStatus(status int) perennial.Code {
	switch status {
	case http.StatusUnauthorized:
		return perennial.CodeUnauthorized
	case http.StatusForbidden:
		return perennial.CodeForbidden
	case http.StatusNotFound:
		return perennial.CodeNotFound
	case http.StatusTooManyRequests:
		return perennial.CodeRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return perennial.CodeUnavailable
	default:
		return perennial.CodeInternal
	}
}

// segments joins path segments, each escaped.
func segments(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

package mlflow

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/perennial-ml/perennial"
)

// Client speaks MLflow's REST API with one server. It is safe for concurrent use.
//
// Calls that may be repeated are tried again where the server is busy (429),
// unavailable (502, 503, 504) or the connection breaks; whoever creates something
// looks for it first (see ensure). Every error is a *perennial.Error: the code that
// MLflow's own stands for, or unavailable where no answer comes; MLflow's *Error is
// its cause.
type Client struct {
	base  string // without a slash at the end
	shown string // base without a password, for messages
	auth  string // the header Authorization; "" for none
	http  *http.Client
	pause time.Duration // before the second try; it doubles
}

// Options say which server a client speaks to.
type Options struct {
	URI       string            // http:// or https://, with a path where the server is mounted below one
	Username  string            // of basic authentication; "": the URI's own, if any
	Password  string            //
	Token     string            // sent as a bearer token; it wins over a user name
	Insecure  bool              // take any certificate
	CAFile    string            // certificates that are trusted besides the system's, in PEM
	Transport http.RoundTripper // nil: the network. In process: tracking.Server
	Pause     time.Duration     // before the second try; 0: 100 ms
}

// The tries of a call that may be repeated, and what an answer may weigh.
const (
	callTries   = 4
	callPause   = 100 * time.Millisecond
	maxDocument = 256 << 20
)

// ErrAway is the cause where a server on the network doesn't answer, or says that it
// can't for now.
var ErrAway = errors.New("the MLflow server is away")

// EmbeddedURI stands for the server in this process.
const EmbeddedURI = "http://embedded"

// NewClient gives a client of an MLflow server. An address that isn't one of an
// HTTP server is an error of code invalid.
func NewClient(o Options) (*Client, error) {
	const op = "mlflow.NewClient"
	u, err := url.Parse(o.URI)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, perennial.Errorf(perennial.CodeInvalid, op, "%q is no address of an MLflow server", hidePassword(o.URI)).
			WithHint("Set MLFLOW_TRACKING_URI, or up's --tracking-uri, to one like http://127.0.0.1:5000: Perennial speaks to servers, not to files or databases.")
	}
	c := &Client{pause: cmp.Or(o.Pause, callPause), http: &http.Client{Transport: o.Transport}}
	if u.User != nil && o.Username == "" {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	c.base = strings.TrimRight(u.String(), "/")
	c.shown = c.base
	switch {
	case o.Token != "":
		c.auth = "Bearer " + o.Token
	case o.Username != "":
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(o.Username, o.Password)
		c.auth = r.Header.Get("Authorization")
	}
	if o.Transport == nil {
		c.http.Transport, err = network(o)
	}
	return c, perennial.Wrap(op, err)
}

// network is a pool of connections of this client's own.
func network(o Options) (*http.Transport, error) {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: time.Minute,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.Insecure}, //nolint:gosec // only where MLFLOW_TRACKING_INSECURE_TLS asks for it
	}
	if o.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	pool, systemErr := x509.SystemCertPool()
	if systemErr != nil {
		pool = x509.NewCertPool()
	}
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		return nil, perennial.Errorf(perennial.CodeInvalid, "", "%s holds no certificates", o.CAFile).
			WithHint("MLFLOW_TRACKING_SERVER_CERT_PATH names a file of certificates in PEM.").Because(err)
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// hidePassword shows an address in a message.
func hidePassword(uri string) string {
	if before, after, ok := strings.Cut(uri, "@"); ok {
		scheme, _, _ := strings.Cut(before, "://")
		return scheme + "://…@" + after
	}
	return uri
}

// URI gives the server's address, without a password.
func (c *Client) URI() string { return c.shown }

// Embedded reports whether the server is in this process.
func (c *Client) Embedded() bool { return c.base == EmbeddedURI }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call.
type request struct {
	method, path string
	query        url.Values
	body         []byte
	kind         string // content type of the body
	once         bool   // a second time would not be the same: not tried again
}

// The prefixes of MLflow's routes.
const (
	rpc       = "/api/2.0/mlflow/"
	artifacts = "/api/2.0/mlflow-artifacts/artifacts"
)

// get asks for something.
func get[Out any](ctx context.Context, c *Client, path string, query url.Values) (Out, error) {
	return document[Out](ctx, c, request{method: http.MethodGet, path: rpc + path, query: query})
}

// send sends a document; the call may be repeated.
func send[Out any](ctx context.Context, c *Client, method, path string, in any) (Out, error) {
	var none Out
	b, err := json.Marshal(in)
	if err != nil {
		return none, perennial.Wrap("mlflow "+path, err)
	}
	return document[Out](ctx, c, request{method: method, path: rpc + path, body: b, kind: "application/json"})
}

// create sends a document that makes something; it isn't sent twice.
func create[Out any](ctx context.Context, c *Client, path string, in any) (Out, error) {
	var none Out
	b, err := json.Marshal(in)
	if err != nil {
		return none, perennial.Wrap("mlflow "+path, err)
	}
	return document[Out](ctx, c, request{method: http.MethodPost, path: rpc + path, body: b, kind: "application/json", once: true})
}

// document makes a call and decodes the answer.
func document[Out any](ctx context.Context, c *Client, r request) (Out, error) {
	var out Out
	b, err := c.call(ctx, r)
	if err != nil || len(b) == 0 {
		return out, err
	}
	if err := json.Unmarshal(b, &out); err != nil {
		return out, perennial.Errorf(perennial.CodePrecondition, c.op(r), "%s answers something that is not MLflow's", c.shown).
			WithHint("Does MLFLOW_TRACKING_URI, or up's --tracking-uri, name an MLflow server?").Because(err)
	}
	return out, nil
}

// call makes a call and gives the whole answer.
func (c *Client) call(ctx context.Context, r request) ([]byte, error) {
	var b []byte
	err := c.patiently(ctx, r.once, func() error {
		body, err := c.open(ctx, r)
		if err != nil {
			return err
		}
		defer body.Close() //nolint:errcheck // read to its end or given up
		b, err = io.ReadAll(io.LimitReader(body, maxDocument))
		if err != nil {
			return c.unreachable(ctx, r, err)
		}
		return nil
	})
	return b, err
}

// patiently repeats a call while that may help.
func (c *Client) patiently(ctx context.Context, once bool, call func() error) error {
	pause := c.pause
	for try := 1; ; try++ {
		err := call()
		if once || try == callTries || !passing(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// passing reports whether an error may be gone at the next try.
func passing(err error) bool {
	code := perennial.CodeOf(err)
	return code == perennial.CodeUnavailable || code == perennial.CodeRateLimited
}

// open sends a request and gives the body of a good answer.
func (c *Client) open(ctx context.Context, r request) (io.ReadCloser, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeInvalid, c.op(r), "%s can't be asked for %s", c.shown, r.path).Because(err)
	}
	if r.kind != "" {
		req.Header.Set("Content-Type", r.kind)
	}
	if c.auth != "" {
		req.Header.Set("Authorization", c.auth)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, r, err)
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return resp.Body, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, c.unreachable(ctx, r, err)
	}
	return nil, c.refused(r, resp.StatusCode, b)
}

func (c *Client) op(r request) string { return "mlflow " + r.method + " " + r.path }

// refused turns an error answer into ours.
func (c *Client) refused(r request, status int, b []byte) error {
	var e Error
	if json.Unmarshal(b, &e) != nil || e.Code == "" {
		return c.foreign(r, status)
	}
	code, known := codes[e.Code]
	if !known {
		code = codeOfStatus(status)
	}
	text := firstLine(e.Message)
	if !c.Embedded() {
		text = "the MLflow server " + c.shown + ": " + text
	}
	out := &perennial.Error{Code: code, Op: c.op(r), Message: text, Err: &e}
	if passing(out) && !c.Embedded() {
		out.Err = errors.Join(ErrAway, &e)
	}
	if code == perennial.CodeUnauthorized || code == perennial.CodeForbidden {
		out = out.WithHint("MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who asks.")
	}
	return out
}

// foreign explains an error answer without MLflow's document.
func (c *Client) foreign(r request, status int) error {
	code := codeOfStatus(status)
	if code == perennial.CodeNotFound {
		code = perennial.CodePrecondition
	}
	e := perennial.Errorf(code, c.op(r), "the MLflow server %s answers HTTP %d", c.shown, status)
	switch code {
	case perennial.CodeUnauthorized, perennial.CodeForbidden:
		return e.WithHint("MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, say who asks.")
	case perennial.CodeUnavailable, perennial.CodeRateLimited:
		return e.WithHint("It is busy or away for now, and what needs it goes on when it is back. MLFLOW_TRACKING_URI, or up's --tracking-uri, names it.").Because(ErrAway)
	default:
		return e.WithHint("Does MLFLOW_TRACKING_URI, or up's --tracking-uri, name an MLflow server of version 3?")
	}
}

// codes are what MLflow's error codes stand for with us; any other goes by its HTTP
// status.
var codes = map[string]perennial.Code{
	CodeNotFound:      perennial.CodeNotFound,
	CodeExists:        perennial.CodeConflict,
	CodeInvalid:       perennial.CodeInvalid,
	CodeInvalidState:  perennial.CodePrecondition,
	CodeDenied:        perennial.CodeForbidden,
	CodeNotLoggedIn:   perennial.CodeUnauthorized,
	CodeLimitExceeded: perennial.CodeRateLimited,
	CodeUnavailable:   perennial.CodeUnavailable,
	CodeInternal:      perennial.CodeInternal,
	CodeNoEndpoint:    perennial.CodePrecondition,
	CodeNotBuilt:      perennial.CodePrecondition,
}

func codeOfStatus(status int) perennial.Code {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return perennial.CodeInvalid
	case http.StatusUnauthorized:
		return perennial.CodeUnauthorized
	case http.StatusForbidden:
		return perennial.CodeForbidden
	case http.StatusNotFound:
		return perennial.CodeNotFound
	case http.StatusRequestEntityTooLarge:
		return perennial.CodeTooLarge
	case http.StatusTooManyRequests:
		return perennial.CodeRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return perennial.CodeUnavailable
	}
	if status < http.StatusInternalServerError {
		return perennial.CodePrecondition
	}
	return perennial.CodeInternal
}

// firstLine leaves out what a server tells of its own inside.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// unreachable explains why no answer came.
func (c *Client) unreachable(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil {
		code := perennial.CodeUnavailable
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			code = perennial.CodeDeadline
		}
		return perennial.Errorf(code, c.op(r), "the request to the MLflow server %s was given up", c.shown).Because(err)
	}
	if e, ours := errors.AsType[*perennial.Error](err); ours && c.Embedded() {
		return perennial.Wrap(c.op(r), e)
	}
	reason := err
	if u, ok := errors.AsType[*url.Error](err); ok {
		reason = u.Err
	}
	text := "no answer came from the MLflow server " + c.shown + ": " + fmt.Sprint(reason)
	if errors.Is(err, syscall.ECONNREFUSED) {
		text = "the MLflow server " + c.shown + " doesn't answer"
	}
	return (&perennial.Error{Code: perennial.CodeUnavailable, Op: c.op(r), Message: text, Err: errors.Join(ErrAway, err)}).
		WithHint("Predictions go on, and a training goes on when it is back. MLFLOW_TRACKING_URI, or up's --tracking-uri, names the server: is it running?")
}

// ensure finds something or makes it, at once or after a lost reply: what was made
// by a request whose reply was lost is found the next time round. create must not
// be repeated by the client.
func ensure[T any](ctx context.Context, c *Client, find func() (T, bool, error), create func() (T, error)) (T, error) {
	var out T
	err := c.patiently(ctx, false, func() error {
		found, ok, err := find()
		if err == nil && !ok {
			found, err = create()
			if perennial.CodeOf(err) == perennial.CodeConflict { // somebody else made it meanwhile
				if again, ok, findErr := find(); findErr == nil && ok {
					found, err = again, nil
				}
			}
		}
		out = found
		return err
	})
	return out, err
}

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/client"
)

// start serves a world on a free port for the length of the test.
func start(t *testing.T, change func(*api.Options, *world)) (*api.Server, *http.Client) {
	t.Helper()
	return startWith(t, change, func(*api.Server) {})
}

// startWith is start with something to do before.
func startWith(t *testing.T, change func(*api.Options, *world), before func(*api.Server)) (*api.Server, *http.Client) {
	t.Helper()
	w := newWorld()
	o := w.options()
	o.Listen = "127.0.0.1:0"
	if change != nil {
		change(&o, w)
	}
	s := api.New(o)
	before(s)
	require.NoError(t, s.Start(t.Context()))
	c := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
		c.CloseIdleConnections()
	})
	return s, c
}

func predict(t *testing.T, s *api.Server, c *http.Client, body io.Reader) (*http.Response, client.Problem) {
	t.Helper()
	resp, err := c.Post("http://"+s.Addr()+"/predict", "application/json", body)
	require.NoError(t, err)
	defer resp.Body.Close()
	var p client.Problem
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&p))
	return resp, p
}

func TestABodyOverTheLimit(t *testing.T) {
	t.Parallel()
	s, c := start(t, func(o *api.Options, _ *world) { o.MaxBody = 1 << 16 })
	for _, size := range []int{1<<16 + 1, 1 << 20, 32 << 20} {
		resp, p := predict(t, s, c, bytes.NewReader(make([]byte, size)))
		require.Equal(t, 413, resp.StatusCode)
		require.Equal(t, "application/problem+json", resp.Header.Get("Content-Type"))
		require.Equal(t, perennial.CodeTooLarge, p.Code)
		require.Equal(t, "At most 65536 bytes a request; send fewer rows at once.", p.Hint)
		require.NotEmpty(t, p.RequestID)
		require.Equal(t, p.RequestID, resp.Header.Get("X-Request-Id"))
	}
	// Without a length, too.
	resp, p := predict(t, s, c, io.MultiReader(bytes.NewReader(make([]byte, 1<<17))))
	require.Equal(t, 413, resp.StatusCode)
	require.Equal(t, perennial.CodeTooLarge, p.Code)
}

func TestBrokenHTTP(t *testing.T) {
	t.Parallel()
	s, _ := start(t, nil)
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("this is no HTTP\r\n\r\n"))
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 400")
	require.Contains(t, string(answer), `"code":"malformed"`)
}

func TestTooManyInFlightAndTooSlow(t *testing.T) {
	t.Parallel()
	var w *world
	s, c := start(t, func(o *api.Options, fake *world) {
		o.MaxInFlight, o.RequestTimeout = 1, 20*time.Millisecond
		w = fake
		w.hold, w.entered = make(chan struct{}), make(chan struct{})
	})
	resp, p := predict(t, s, c, bytes.NewReader([]byte(`{"model":"slow"}`)))
	require.Equal(t, 504, resp.StatusCode)
	require.Equal(t, perennial.CodeDeadline, p.Code)

	done := make(chan error, 1)
	go func() {
		resp, err := c.Post("http://"+s.Addr()+"/predict", "application/json", bytes.NewReader([]byte(`{"model":"iris"}`)))
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}()
	<-w.entered
	resp, p = predict(t, s, c, bytes.NewReader([]byte(`{"model":"iris"}`)))
	require.Equal(t, 503, resp.StatusCode)
	require.Equal(t, perennial.CodeUnavailable, p.Code)
	require.Equal(t, "1", resp.Header.Get("Retry-After"))
	health, err := c.Get("http://" + s.Addr() + "/healthz")
	require.NoError(t, err)
	require.NoError(t, health.Body.Close())
	require.Equal(t, 200, health.StatusCode, "health answers however busy the API is")
	close(w.hold)
	require.NoError(t, <-done)
}

func TestAPortInUse(t *testing.T) {
	t.Parallel()
	first, _ := start(t, nil)
	o := newWorld().options()
	o.Listen = first.Addr()
	err := api.New(o).Start(t.Context())
	require.Equal(t, perennial.CodeConflict, perennial.CodeOf(err))
	message, hint, _ := perennial.Explain(err)
	require.Contains(t, message, first.Addr()+" is in use")
	require.Contains(t, hint, "--listen")
}

func TestStopWithoutStartAndTwice(t *testing.T) {
	t.Parallel()
	s, _ := setup(t)
	require.NoError(t, s.Stop(t.Context()))
	started, _ := start(t, nil)
	require.NoError(t, started.Stop(t.Context()))
}

package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/perennial-ml/perennial"
)

// ServerOptions say where a Server listens and what it shows.
type ServerOptions struct {
	Name     string // of the part
	Listen   string // host:port
	Setting  string // by which another address is chosen
	Registry *prometheus.Registry
	Health   bool                           // serve /healthz and /readyz besides /metrics
	Ready    func(ctx context.Context) bool // behind /readyz
}

// Server shows metrics, and health where the process has no other port for it.
// It asks nobody who they are and tells nothing but that.
type Server struct {
	o      ServerOptions
	http   *http.Server
	failed chan error
}

// NewServer makes a server that doesn't listen yet.
func NewServer(o ServerOptions) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{}))
	if o.Health {
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
		mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			ready := o.Ready(r.Context())
			if !ready {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = fmt.Fprintf(w, "{\"ready\":%t}\n", ready)
		})
	}
	return &Server{o: o, http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, failed: make(chan error, 1)}
}

// Name names the part.
func (s *Server) Name() string { return s.o.Name }

// Failed gives an error where serving ends by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Start listens; an address that can't be had is a conflict.
func (s *Server) Start(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.o.Listen)
	if err != nil {
		return perennial.Errorf(perennial.CodeConflict, "telemetry.Start", "can't listen on %s for %s", s.o.Listen, s.o.Name).
			WithHint("Free that address, or choose another with %s.", s.o.Setting).Because(err)
	}
	go func() {
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return nil
}

// Stop ends serving.
func (s *Server) Stop(ctx context.Context) error { return s.http.Shutdown(ctx) }

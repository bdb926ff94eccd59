package api

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

// Options says what the API serves, where and within which limits. The parts
// are all required; everything else has a default.
type Options struct {
	Predictor   Predictor
	Predictions Predictions
	Registry    Registry
	Blobs       Blobs
	Pipelines   Pipelines
	Traffic     Traffic
	Decisions   Decisions
	Lineage     Lineage
	Trials      Trials
	Datasets    Datasets
	Control     Control
	Rollouts    Rollouts
	Audit       Audit

	// Access tells who holds a token; nil: authentication is off, and whoever
	// reaches the API may do anything.
	Access Access

	// Degraded names the dependencies that are down; nil: none ever are.
	Degraded func(ctx context.Context) []client.Degraded

	Listen         string        // host:port; 127.0.0.1:8080
	Hosts          []string      // Host names accepted besides loopback's, where Listen is on loopback
	TLS            *tls.Config   // nil: plain HTTP
	MaxBody        int           // bytes of a request body; 8 MiB
	MaxInFlight    int           // requests at once, health and metrics aside; 4096
	RequestTimeout time.Duration // 5 s
	Drain          time.Duration // how long Stop still takes requests, while /readyz sends them elsewhere; 0
	UIURL          string        // Temporal Web UI, for links; "": no links
	Namespace      string        // Temporal namespace, for links; default
	Build          string        // version of the program; dev
	Now            func() time.Time
	Logger         *slog.Logger
	Metrics        *prometheus.Registry // what /metrics shows, and where the API's own metrics go; a new one
}

// maxHead is how many bytes a request's first line and headers may have. Cookies
// of every program on this host come along to an API on loopback.
const maxHead = 16 << 10

func (o *Options) setDefaults() {
	if o.Degraded == nil {
		o.Degraded = func(context.Context) []client.Degraded { return nil }
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:8080"
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 8 << 20
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = 4096
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = 5 * time.Second
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.Build == "" {
		o.Build = "dev"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
}

// Server is the API, ready to be started once.
type Server struct {
	o         Options
	app       *fiber.App
	huma      huma.API
	guest     Guest // nil: none
	metrics   *metrics
	openapi   []byte            // the document, rendered once
	templates map[string]string // Fiber's pattern of a route → the OpenAPI document's
	hosts     map[string]bool   // Host names accepted; nil: any
	inFlight  atomic.Int64
	bodies    *semaphore.Weighted // memory of large bodies
	imports   *semaphore.Weighted // memory of model files
	draining  atomic.Bool         // stopping: not ready, and every answer ends its connection
	started   time.Time

	base   context.Context //nolint:containedctx // of every request; ends when Stop has waited
	cancel context.CancelFunc
	ln     net.Listener
	served chan struct{} // closed when Serve has returned
	failed chan error
}

// New builds the API. It panics where a route can't be registered, which is a
// mistake in this package.
func New(o Options) *Server {
	o.setDefaults()
	s := &Server{o: o, metrics: newMetrics(o.Metrics), templates: map[string]string{}, started: o.Now(), failed: make(chan error, 1)}
	s.bodies = semaphore.NewWeighted(largeBodies * int64(o.MaxBody))
	s.imports = semaphore.NewWeighted(importBody)
	s.base, s.cancel = context.WithCancel(context.Background())
	if onLoopback(o.Listen) {
		s.hosts = map[string]bool{}
		for _, h := range o.Hosts {
			s.hosts[strings.ToLower(h)] = true
		}
	}
	s.app = fiber.New(fiber.Config{
		AppName:                      "perennial",
		DisableStartupMessage:        true,
		ReadBufferSize:               maxHead,
		CaseSensitive:                true,
		BodyLimit:                    o.MaxBody,
		DisablePreParseMultipartForm: true,             // a form is refused by its content type, and never parsed
		StreamRequestBody:            true,             // receive reads them
		ReadTimeout:                  30 * time.Second, // of a whole request: a slow sender doesn't hold a worker for ever
		WriteTimeout:                 2 * time.Minute,
		IdleTimeout:                  2 * time.Minute,
		ErrorHandler:                 s.serverError,
	})
	s.huma = newHuma(s.app, o.Build)
	s.app.Use(s.around)
	s.routes()
	s.enter()
	return s
}

// routes registers everything. A path with a literal segment comes before one
// with a parameter in its place.
func (s *Server) routes() {
	s.predictRoutes()
	s.predictionRoutes()
	s.modelRoutes()
	s.streamRoutes()
	s.importRoutes()
	s.pipelineRoutes()
	s.retrainRoutes()
	s.datasetRoutes()
	s.lineageRoutes()
	s.scheduleRoutes()
	s.workflowRoutes()
	s.rolloutRoutes()
	s.runRoutes()
	s.decisionRoutes()
	s.accessRoutes()
	s.statusRoutes()
	s.docsRoutes()
}

// App gives the Fiber app, on which other parts mount their own routes before
// Start.
func (s *Server) App() *fiber.App { return s.app }

// OpenAPI gives the OpenAPI document of Perennial's own routes as JSON.
func (s *Server) OpenAPI() []byte { return s.openapi }

// Start listens and serves until Stop. A port in use is a conflict.
func (s *Server) Start(ctx context.Context) error {
	const op = "api.Start"
	if route := s.unguarded(); route != "" {
		return perennial.Errorf(perennial.CodeInternal, op, "the route %s has no role", route)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", s.o.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return perennial.Errorf(perennial.CodeConflict, op, "%s is in use by another program", s.o.Listen).
			WithHint("Stop that program, or choose another address with --listen.").Because(err)
	case errors.Is(err, os.ErrPermission):
		return perennial.Errorf(perennial.CodeForbidden, op, "this user may not listen on %s", s.o.Listen).
			WithHint("Choose a port above 1023 with --listen.").Because(err)
	case err != nil:
		return perennial.Errorf(perennial.CodeInvalid, op, "can't listen on %s", s.o.Listen).
			WithHint("Give host:port with --listen, as 127.0.0.1:8080.").Because(err)
	}
	s.ln, s.served = ln, make(chan struct{})
	var served net.Listener = lingeringListener{ln}
	if s.o.TLS != nil {
		served = secureListener{served, s.o.TLS}
	}
	go func() {
		defer close(s.served)
		if err := s.app.Listener(served); err != nil {
			s.failed <- perennial.Wrap("api.Serve", err)
		}
	}()
	return nil
}

// Failed gives an error where serving ends by itself.
func (s *Server) Failed() <-chan error { return s.failed }

// Name names the part.
func (s *Server) Name() string { return "api" }

// Addr gives the address listened on, with the port that was chosen for port 0;
// before Start the configured one.
func (s *Server) Addr() string {
	if s.ln == nil {
		return s.o.Listen
	}
	return s.ln.Addr().String()
}

// Stop tells whoever sends requests to send them elsewhere, still answers what
// comes for the time of Drain, then takes no more, waits for those at work as
// long as ctx lasts, and ends their contexts.
func (s *Server) Stop(ctx context.Context) error {
	defer s.cancel()
	if s.ln == nil {
		return nil
	}
	s.draining.Store(true)
	if s.o.Drain > 0 {
		select {
		case <-time.After(s.o.Drain):
		case <-ctx.Done():
		}
	}
	err := s.app.ShutdownWithContext(ctx)
	if errors.Is(err, net.ErrClosed) {
		err = nil // stopped before
	}
	_ = s.ln.Close() // closed already, unless serving had not begun
	select {
	case <-s.served:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return perennial.Wrap("api.Stop", err)
}

// Package devserver runs a whole Temporal server and its Web UI inside this
// process, on a SQLite file, for `perennial up`. It is the only package that
// links the server; cmd/perennial alone imports it, in a file that the build
// tag `lean` leaves out.
//
// The file holds running work only and may be deleted while the program is
// stopped: whatever must last is in Perennial's own databases. Both listeners
// are on the loopback address, because this server asks nobody who they are.
//
// Start reading at New.
package devserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	"github.com/temporalio/ui-server/v2/server/server_options"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/temporal"

	"github.com/perennial-ml/perennial"
)

// Namespace is the one namespace the server has.
const Namespace = "default"

const loopback = "127.0.0.1"

// Options say where the server keeps its state and listens.
type Options struct {
	File             string        // SQLite file; its directory must exist
	Port             int           // gRPC frontend
	UIPort           int           // Web UI
	Retention        time.Duration // of closed workflows, in a new file
	SearchAttributes []string      // keywords
	Logger           *slog.Logger  // only errors are written
}

// Server is the embedded server; it is a part of internal/app.
type Server struct {
	o        Options
	level    *slog.LevelVar
	building atomic.Bool // while newServer runs
	server   temporal.Server
	ui       *server.Server
	failed   chan error
	started  bool
}

// New checks nothing and starts nothing.
func New(o Options) *Server {
	level := &slog.LevelVar{}
	level.Set(slog.LevelError)
	return &Server{o: o, level: level, failed: make(chan error, 1)}
}

// NameUser gives the user of this process a name and a home in the environment
// where it has none, as a number without an entry in /etc/passwd in a container:
// the server's telemetry looks the user up and doesn't start without. Go
// remembers the first answer, so call it before anything else may ask.
func NameUser() error {
	for name, value := range map[string]string{"USER": strconv.Itoa(os.Getuid()), "HOME": "/"} {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				return perennial.Errorf(perennial.CodeInternal, "devserver.NameUser", "the environment can't be changed").Because(err)
			}
		}
	}
	return nil
}

// Name names the part.
func (s *Server) Name() string { return "temporal" }

// Address is where clients connect.
func (s *Server) Address() string { return net.JoinHostPort(loopback, fmt.Sprint(s.o.Port)) }

// UIURL is where the Web UI is.
func (s *Server) UIURL() string {
	return "http://" + net.JoinHostPort(loopback, fmt.Sprint(s.o.UIPort))
}

// Start starts the server and the Web UI and returns when the namespace and the
// search attributes are there. A port in use is a conflict that names the port.
func (s *Server) Start(ctx context.Context) error {
	const op = "devserver.Start"
	for _, p := range []struct {
		what, setting string
		port          int
	}{{"Temporal", "--temporal-port", s.o.Port}, {"the Temporal Web UI", "--ui-port", s.o.UIPort}} {
		if err := portFree(ctx, p.port); err != nil {
			return perennial.Errorf(perennial.CodeConflict, op, "port %d, for %s, is in use", p.port, p.what).
				WithHint("Stop what listens there, or choose another port with %s.", p.setting).Because(err)
		}
	}
	srv, err := s.newServer(ctx)
	if err != nil {
		return perennial.Errorf(perennial.CodeInternal, op, "the embedded Temporal server can't start on %s", s.o.File).
			WithHint("Start again. If it stays so, delete %s while the program is stopped: the file holds running work only.", s.o.File).Because(err)
	}
	if err := srv.Start(); err != nil {
		return perennial.Errorf(perennial.CodeInternal, op, "the embedded Temporal server can't start").Because(err)
	}
	s.server, s.started = srv, true
	s.startUI()
	return perennial.Wrap(op, s.ensureSearchAttributes(ctx))
}

// startUI runs the Web UI. Its Start blocks, and ends the process where the port
// is taken, which is why the port is checked before.
func (s *Server) startUI() {
	s.ui = server.NewServer(server_options.WithConfigProvider(&uiconfig.Config{
		Host: loopback, Port: s.o.UIPort, TemporalGRPCAddress: s.Address(), EnableUI: true, DefaultNamespace: Namespace,
		CORS: uiconfig.CORS{CookieInsecure: true}, HideLogs: true, DisableNewsFetch: true,
	}))
	go func() {
		if err := s.ui.Start(); err != nil {
			s.failed <- fmt.Errorf("temporal web ui: %w", err)
		}
	}()
}

// Stop stops the Web UI, then the server.
func (s *Server) Stop(context.Context) error {
	if !s.started {
		return nil
	}
	if s.ui != nil {
		s.ui.Stop()
	}
	s.level.Set(slog.LevelError + 4) // it logs its own shutdown as a series of errors
	return s.server.Stop()
}

// Failed tells of a fault from which the server can't recover.
func (s *Server) Failed() <-chan error { return s.failed }

// startWithin is how long each part of a start may take on a busy machine.
const startWithin = 2 * time.Minute

// Dial connects a client.
func (s *Server) Dial(ctx context.Context) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{
		HostPort: s.Address(), Namespace: Namespace, Logger: sdklog.NewStructuredLogger(s.o.Logger),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: startWithin},
	})
	if err != nil {
		return nil, perennial.Errorf(perennial.CodeUnavailable, "devserver.Dial", "the embedded Temporal server doesn't answer").Because(err)
	}
	return c, nil
}

// searchAttributes gives the attributes in the form the server wants.
func (s *Server) searchAttributes() map[string]enumspb.IndexedValueType {
	out := make(map[string]enumspb.IndexedValueType, len(s.o.SearchAttributes))
	for _, a := range s.o.SearchAttributes {
		out[a] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	return out
}

func portFree(ctx context.Context, port int) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(loopback, fmt.Sprint(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

// freePort gives a port that nobody listens on. On Linux nobody else is given it
// for a minute either: a connection that its listener closed first stays in
// TIME_WAIT, and such a port goes neither to who asks for any port nor to an
// outgoing connection, while who names it may listen there.
func freePort(ctx context.Context) (port int, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	address, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil || runtime.GOOS != "linux" {
		return int(address.Port()), err
	}
	there, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	here, err := l.Accept()
	if err != nil {
		return 0, errors.Join(err, there.Close())
	}
	return int(address.Port()), errors.Join(here.Close(), there.Close()) // in this order
}

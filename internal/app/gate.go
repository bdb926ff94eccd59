package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/client"
	"github.com/perennial-ml/perennial/internal/config"
)

// ErrNoAdmin is the cause where requests need a token and nobody has one that
// makes others: a wrong setting rather than a failure.
var ErrNoAdmin = errors.New("nobody holds a token of the role admin")

// gate is how the API is reached and who is let in.
type gate struct {
	guard *access.Guard // nil: whoever reaches the API
	tls   *tls.Config   // nil: plain HTTP
	url   string        // by which this machine reaches it
}

// openGate makes what the settings ask for.
func openGate(ctx context.Context, c *config.Config, store *access.Store, log *slog.Logger) (gate, error) {
	g := gate{url: "http://" + reachable(c.Listen)}
	if c.TLSCertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile)
		if err != nil {
			return g, perennial.Errorf(perennial.CodeInvalid, "app.openGate", "the certificate %s and the key %s can't be used: %v", c.TLSCertFile, c.TLSKeyFile, err).
				WithHint("Give a certificate chain and its private key in PEM.").Because(err)
		}
		g.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
		g.url = "https://" + reachable(c.Listen)
	}
	if c.Auth != config.AuthTokens {
		return g, nil
	}
	if c.AdminToken == "" {
		has, err := store.HasAdmin(ctx, time.Now().UnixMilli())
		if err != nil {
			return g, err
		}
		if !has {
			return g, perennial.Errorf(perennial.CodeInvalid, "app.openGate", "%s asks for authentication by tokens, and there is no token yet to begin with", c.Listen).
				WithHint("Set PERENNIAL_ADMIN_TOKEN or PERENNIAL_ADMIN_TOKEN_FILE to a random text (openssl rand -hex 32), or listen on 127.0.0.1.").Because(ErrNoAdmin)
		}
	}
	g.guard = access.NewGuard(access.GuardOptions{Store: store, AdminToken: c.AdminToken, Logger: log})
	return g, nil
}

// reachable turns an address that stands for every interface into one that can
// be dialled.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// client gives a client of the API for a part of this process, with a token of
// its own where one is needed.
func (g gate) client(name string, role perennial.AccessRole) *client.Client {
	token := ""
	if g.guard != nil {
		token = g.guard.Issue(perennial.Actor{Name: name, Role: role})
	}
	c := client.New(g.url, token)
	if g.tls != nil {
		c.Trust(exactly(g.tls.Certificates[0].Certificate[0]))
	}
	return c
}

// exactly trusts one certificate, whatever names it is for: the process knows
// its own, and reaches itself by an address that the certificate needn't hold.
func exactly(certificate []byte) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection below asks for more
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, certificate) {
				return errors.New("another certificate answered at our own address")
			}
			return nil
		},
	}
}

// curl begins a command line that asks the API.
func (g gate) curl() string {
	if g.guard == nil {
		return "curl -s " + g.url
	}
	return `curl -s -H "authorization: Bearer $PERENNIAL_TOKEN" ` + g.url
}

// note says whether requests need a token.
func (g gate) note() string {
	if g.guard == nil {
		return ""
	}
	return "; every request needs a token"
}

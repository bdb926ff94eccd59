package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"unicode"
)

// The values of PERENNIAL_AUTH.
const (
	AuthOff    = "off"    // whoever reaches the API may do anything
	AuthTokens = "tokens" // every request needs a token
)

// fileSuffix names the variable that holds a file with a secret in its place.
const fileSuffix = "_FILE"

// secrets are the settings that may stand in a file of their own, which an
// environment shows to nobody.
var secrets = []string{"ADMIN_TOKEN", "DATABASE_URL", "PREDICTIONS_URL"}

// readSecrets puts the content of the files that NAME_FILE names into NAME.
func readSecrets(env map[string]string) (faults []string) {
	for _, name := range secrets {
		file, ok := env[name+fileSuffix]
		if !ok {
			continue
		}
		if _, twice := env[name]; twice {
			faults = append(faults, fmt.Sprintf("%[1]s and %[1]s%[2]s are both set: keep one", Env+name, fileSuffix))
			continue
		}
		b, err := os.ReadFile(file) //nolint:gosec // the operator's own path
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: the file %s can't be read", Env+name+fileSuffix, file))
			continue
		}
		if env[name] = strings.TrimSpace(string(b)); env[name] == "" {
			faults = append(faults, fmt.Sprintf("%s: the file %s is empty", Env+name+fileSuffix, file))
		}
	}
	return faults
}

// minAdminToken is the fewest characters of PERENNIAL_ADMIN_TOKEN. It keeps out
// passwords, not bad luck: whoever sets it should take random ones.
const minAdminToken = 12

// adminToken takes a token that a header can carry. Its errors don't repeat it.
func adminToken(c *Config, v string) error {
	if v != "" && len(v) < minAdminToken {
		return fmt.Errorf("it has fewer than %d characters: take random ones, as `openssl rand -hex 32` gives", minAdminToken)
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r > unicode.MaxASCII || !unicode.IsGraphic(r) || r == ' ' }) {
		return errors.New("it holds a space or a character that a header can't carry: take letters and digits")
	}
	c.AdminToken = v
	return nil
}

// guard decides whether requests need a token, and names settings that leave the
// API open to other machines.
func (c *Config) guard() (faults []string) {
	local := onLoopback(c.Listen)
	if c.Auth == "" {
		c.Auth = AuthTokens
		if local {
			c.Auth = AuthOff
		}
	}
	if c.Auth == AuthOff && !local && c.Listen != "" {
		faults = append(faults, fmt.Sprintf("%s is open to other machines, and there is no authentication (PERENNIAL_AUTH=off): "+
			"listen on 127.0.0.1, or set PERENNIAL_AUTH=tokens and a PERENNIAL_ADMIN_TOKEN", c.Listen))
	}
	if (c.TLSCertFile == "") != (c.TLSKeyFile == "") {
		faults = append(faults, "PERENNIAL_TLS_CERT_FILE and PERENNIAL_TLS_KEY_FILE belong together: one of them is missing")
	}
	return faults
}

// listen takes the address of the API, which must be one.
func listen(c *Config, v string) error {
	if v == "" {
		return errors.New("the address of the API is empty: give host:port, as 127.0.0.1:8080")
	}
	return address(func(c *Config) *string { return &c.Listen })(c, v)
}

// onLoopback reports whether host:port is reachable from this machine only.
func onLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

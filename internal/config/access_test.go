package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/config"
)

func TestWhoMayAskFollowsTheAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ listen, set, want, says string }{
		"loopback":           {"127.0.0.1:8080", "", "off", ""},
		"localhost":          {"localhost:8080", "", "off", ""},
		"loopback of IPv6":   {"[::1]:8080", "", "off", ""},
		"loopback, tokens":   {"127.0.0.1:8080", "tokens", "tokens", ""},
		"everywhere":         {"0.0.0.0:8080", "", "tokens", ""},
		"everywhere, short":  {":8080", "", "tokens", ""},
		"everywhere of IPv6": {"[::]:8080", "", "tokens", ""},
		"another name":       {"models.example:8080", "", "tokens", ""},
		"everywhere, off":    {"0.0.0.0:8080", "off", "", "authentication"},
		"short, off":         {":8080", "off", "", "PERENNIAL_ADMIN_TOKEN"},
		"nonsense":           {"127.0.0.1:8080", "on", "", `"on"`},
	} {
		got, err := config.Load(map[string]string{"listen": c.listen}, []string{"PERENNIAL_AUTH=" + c.set})
		if c.says != "" {
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
			message, _, _ := perennial.Explain(err)
			require.Contains(t, message, c.says, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, got.Auth, name)
	}
}

func TestSecretsStandInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	const secret = "c0ffee-c0ffee-c0ffee"
	c, err := config.Load(nil, []string{
		"PERENNIAL_ADMIN_TOKEN_FILE=" + file("token", secret+"\n"), "PERENNIAL_DATABASE_URL_FILE=" + file("url", "postgres://u:p@db/x\n"),
	})
	require.NoError(t, err)
	require.Equal(t, secret, c.AdminToken)
	require.Equal(t, "postgres://u:p@db/x", c.DatabaseURL)
	for name, bad := range map[string]struct {
		env  []string
		says string
	}{
		"both":            {[]string{"PERENNIAL_ADMIN_TOKEN=" + secret, "PERENNIAL_ADMIN_TOKEN_FILE=" + file("t2", secret)}, "both set"},
		"no such file":    {[]string{"PERENNIAL_ADMIN_TOKEN_FILE=" + filepath.Join(dir, "nope")}, "nope"},
		"empty file":      {[]string{"PERENNIAL_ADMIN_TOKEN_FILE=" + file("empty", " \n")}, "is empty"},
		"too short":       {[]string{"PERENNIAL_ADMIN_TOKEN=" + secret[:11]}, "fewer than 12"},
		"a space":         {[]string{"PERENNIAL_ADMIN_TOKEN=" + secret + " x"}, "a space"},
		"another letter":  {[]string{"PERENNIAL_ADMIN_TOKEN=" + secret + "ü"}, "header"},
		"not in a file":   {[]string{"PERENNIAL_LISTEN_FILE=x"}, "PERENNIAL_LISTEN_FILE is not a setting"},
		"half a key pair": {[]string{"PERENNIAL_TLS_CERT_FILE=x"}, "PERENNIAL_TLS_KEY_FILE"},
	} {
		_, err := config.Load(nil, bad.env)
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), name)
		require.ErrorContains(t, err, bad.says, name)
		require.NotContains(t, err.Error(), secret[:11], name)
	}
}

package config_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/config"
)

func TestLoadDefaultsFollowTheProject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := config.Load(map[string]string{"project": dir}, nil)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, ".perennial"), c.Home)
	require.Equal(t, "sqlite:"+filepath.Join(dir, ".perennial", "perennial.db"), c.DatabaseURL)
	require.Equal(t, "127.0.0.1:8080", c.Listen)
	require.Equal(t, 8<<20, c.MaxBody)
	require.Equal(t, 72*time.Hour, c.TemporalRetention)
	require.Equal(t, slog.LevelInfo, c.LogLevel)
	require.GreaterOrEqual(t, c.TrainThreads, 1)
}

func TestLoadPrefersFlagThenEnvironment(t *testing.T) {
	t.Parallel()
	env := []string{"PERENNIAL_LISTEN=127.0.0.1:1", "PERENNIAL_MAX_BODY=16KiB", "PERENNIAL_HOSTS=a.example, b.example", "PERENNIAL_TEST_X=1", "PATH=/bin"}
	c, err := config.Load(map[string]string{"listen": "localhost:2"}, env)
	require.NoError(t, err)
	require.Equal(t, "localhost:2", c.Listen)
	require.Equal(t, 16<<10, c.MaxBody)
	require.Equal(t, []string{"a.example", "b.example"}, c.Hosts)
}

func TestLoadReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(map[string]string{"ui-port": "0"}, []string{
		"PERENNIAL_LISTEN=0.0.0.0:8080", "PERENNIAL_AUTH=off", "PERENNIAL_LOG_FLUSH=soon", "PERENNIAL_LOG_FORMAT=xml", "PERENNIAL_LISTN=x", "PERENNIAL_LOG_LEVEL=loud", "PERENNIAL_MAX_INSTANCES=none", "PERENNIAL_LOG_BUFFER=many",
	})
	require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
	message, _, _ := perennial.Explain(err)
	for _, part := range []string{"--ui-port", "0.0.0.0:8080 is open", "authentication", "PERENNIAL_LOG_FLUSH", "xml", "PERENNIAL_LISTN is not a setting", "loud", "none", "many"} {
		require.Contains(t, message, part)
	}
}

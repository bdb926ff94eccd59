package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/config"
)

func TestMLflowsOwnVariablesNameTheTrackingServer(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte("secret\n"), 0o600))
	c, err := config.Load(nil, []string{
		"MLFLOW_TRACKING_URI=http://mlflow:5000", "MLFLOW_TRACKING_USERNAME=me", "MLFLOW_TRACKING_PASSWORD=pw", "MLFLOW_TRACKING_TOKEN_FILE=" + file,
		"MLFLOW_TRACKING_INSECURE_TLS=true", "MLFLOW_TRACKING_SERVER_CERT_PATH=/ca.pem",
	})
	require.NoError(t, err)
	require.Equal(t, config.MLflow{URI: "http://mlflow:5000", Username: "me", Password: "pw", Token: "secret", Insecure: true, CAFile: "/ca.pem"}, c.MLflow)

	c, err = config.Load(map[string]string{config.TrackingFlag: "http://other:1"}, []string{"MLFLOW_TRACKING_URI=http://mlflow:5000"})
	require.NoError(t, err)
	require.Equal(t, "http://other:1", c.MLflow.URI)

	_, err = config.Load(nil, []string{"MLFLOW_TRACKING_PASSWORD_FILE=/nowhere"})
	require.ErrorContains(t, err, "MLFLOW_TRACKING_PASSWORD_FILE")
}

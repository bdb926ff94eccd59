package app_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/app"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/serve"
)

func TestAModelOnAnMLflowServerOfItsOwnHasNoVersionInService(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("name") == "known" {
			_, _ = w.Write([]byte(`{"registered_model":{"name":"known"}}`))
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no such model"}`))
	}))
	defer server.Close()
	home := t.TempDir()
	absent, done, err := app.Absent(t.Context(), &config.Config{
		DatabaseURL: "sqlite:" + home + "/state.db", PredictionsURL: "sqlite:" + home + "/predictions.db", ArtifactURL: "file:" + home,
		DatabaseMaxConns: 1, MLflow: config.MLflow{URI: server.URL},
	})
	require.NoError(t, err)
	defer done()
	require.Nil(t, absent("unknown"))
	require.NotNil(t, absent("known"))
	require.Equal(t, serve.RuleNoVersion, absent("known").Rule)
	server.Close()
	require.NotNil(t, absent("unknown"), "nobody can tell while the server is away")
}

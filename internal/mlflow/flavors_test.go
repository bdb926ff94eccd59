package mlflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/mlflow"
)

// As mlflow 3.17.2 writes it for a LightGBM booster.
const mlmodel = `artifact_path: mlflow-artifacts:/1/models/m-1/artifacts
flavors:
  lightgbm:
    code: null
    data: model.lgb
    lgb_version: 4.6.0
    model_class: lightgbm.basic.Booster
  python_function:
    data: model.lgb
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    loader_module: mlflow.lightgbm
mlflow_version: 3.17.2
`

func TestParseFlavors(t *testing.T) {
	t.Parallel()
	got, err := mlflow.ParseFlavors([]byte(mlmodel))
	require.NoError(t, err)
	require.Equal(t, mlflow.Flavor{Path: "model.lgb", Class: "lightgbm.basic.Booster"}, got["lightgbm"])
	require.Equal(t, "lightgbm", mlflow.FlavorNames(got))

	got, err = mlflow.ParseFlavors([]byte("flavors: {sklearn: {pickled_model: model.pkl, code: null}, odd: {data: 7}}"))
	require.NoError(t, err)
	require.Equal(t, map[string]mlflow.Flavor{"sklearn": {Path: "model.pkl"}, "odd": {}}, got)

	for name, text := range map[string]string{
		"nothing": "", "no document": "\x00", "a list": "- 1", "no flavors": "run_id: a", "flavors of another kind": "flavors: [lightgbm]",
	} {
		_, err := mlflow.ParseFlavors([]byte(text))
		require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err), name)
	}
	for _, path := range []string{"../model.lgb", "/etc/passwd", "a/../../b", `a\b`} {
		_, err := mlflow.ParseFlavors([]byte("flavors: {lightgbm: {data: '" + path + "'}}"))
		require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err), path)
	}
}

func FuzzParseFlavors(f *testing.F) {
	f.Add([]byte(mlmodel))
	f.Fuzz(func(t *testing.T, b []byte) {
		flavors, err := mlflow.ParseFlavors(b)
		if err == nil {
			require.NotEmpty(t, flavors)
		}
	})
}

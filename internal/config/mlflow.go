package config

import (
	"fmt"
	"os"
	"strings"
)

// MLflow names the tracking server and says who asks, by MLflow's own variables.
type MLflow struct {
	URI                string // MLFLOW_TRACKING_URI; "": the embedded server
	Username, Password string // MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD
	Token              string // MLFLOW_TRACKING_TOKEN
	CAFile             string // MLFLOW_TRACKING_SERVER_CERT_PATH
	Insecure           bool   // MLFLOW_TRACKING_INSECURE_TLS: take any certificate
}

// TrackingFlag is the flag that stands for MLFLOW_TRACKING_URI.
const TrackingFlag = "tracking-uri"

// readMLflow reads MLflow's variables; token and password may stand in files of
// their own.
func readMLflow(flags map[string]string, environ []string) (MLflow, []string) {
	env := map[string]string{}
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		if name, ok := strings.CutPrefix(key, "MLFLOW_TRACKING_"); ok {
			env[name] = strings.TrimSpace(value)
		}
	}
	var faults []string
	for _, name := range []string{"TOKEN", "PASSWORD"} {
		file := env[name+fileSuffix]
		if file == "" || env[name] != "" {
			continue
		}
		b, err := os.ReadFile(file) //nolint:gosec // the operator's own path
		if err != nil {
			faults = append(faults, fmt.Sprintf("MLFLOW_TRACKING_%s%s: the file %s can't be read", name, fileSuffix, file))
		}
		env[name] = strings.TrimSpace(string(b))
	}
	m := MLflow{
		URI: env["URI"], Username: env["USERNAME"], Password: env["PASSWORD"], Token: env["TOKEN"], CAFile: env["SERVER_CERT_PATH"],
		Insecure: strings.EqualFold(env["INSECURE_TLS"], "true") || env["INSECURE_TLS"] == "1",
	}
	if uri, ok := flags[TrackingFlag]; ok {
		m.URI = uri
	}
	return m, faults
}

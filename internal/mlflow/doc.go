// Package mlflow holds MLflow's REST wire: the request and response documents of
// its runs and its model registry, its error codes and its way to write numbers,
// and the client. internal/tracking serves the same documents.
//
// The documents follow what MLflow 3's own server and client send: unknown fields
// are ignored, empty lists left out, 64-bit integers are JSON numbers and may come
// as strings, NaN and the infinities are strings.
//
// It decides nothing and opens no database. Start reading at wire_runs.go.
package mlflow

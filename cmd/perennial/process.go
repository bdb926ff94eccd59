package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/app"
	"github.com/perennial-ml/perennial/internal/config"
)

func newAPICommand() *cobra.Command {
	return newProcessCommand(app.API, &cobra.Command{
		Use:   "api",
		Short: "Run the API in a process of its own, beside an external Temporal server",
		Long: `Run the API in a process of its own: it serves predictions and everything else over HTTP. Any number of them share
one database (Postgres, or SQLite on one machine), one artifact store and one Temporal server.

Namespace, TLS and keys of Temporal come from its own variables (TEMPORAL_NAMESPACE, TEMPORAL_TLS, TEMPORAL_API_KEY
and so on). SIGTERM stops it without losing a request: /readyz answers 503 for a quarter of the grace while requests
are still answered.`,
		Example: "  PERENNIAL_DATABASE_URL=postgres://db/perennial PERENNIAL_PREDICTIONS_URL=postgres://db/predictions perennial api --listen 127.0.0.1:8080",
	}, "home", "listen", "temporal-address")
}

func newWorkerCommand() *cobra.Command {
	return newProcessCommand(app.Worker, &cobra.Command{
		Use:   "worker",
		Short: "Run a worker in a process of its own, beside an external Temporal server",
		Long: `Run a worker in a process of its own: it does the steps of workflows. Any number of them share one database, one
artifact store and one Temporal server; PERENNIAL_QUEUES says which steps it takes.

In a project's directory it reads the project's data; elsewhere it needs no file: pipelines come by "perennial
pipeline apply", data by "perennial data add" and from PERENNIAL_DATA_URL. /healthz, /readyz and /metrics are at
--worker-listen. SIGTERM lets running steps end, and hands the long ones back.`,
		Example: "  PERENNIAL_QUEUES=training PERENNIAL_TRAIN_SLOTS=2 perennial worker --temporal-address temporal:7233",
	}, "project", "home", "temporal-address", "worker-listen")
}

// newProcessCommand completes a command that runs until it is stopped.
func newProcessCommand(work func(context.Context, app.ProcessOptions) error, cmd *cobra.Command, flags ...string) *cobra.Command {
	cmd.Long += `

Runs and versions are kept by the MLflow server that MLFLOW_TRACKING_URI names (with MLFLOW_TRACKING_TOKEN, or
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, where it asks who comes), else in the database.` + "\n\nEvery setting can also come from the environment; a flag wins:\n\n" + settingsHelp()
	cmd.Args = cobra.NoArgs
	values := settingFlags(cmd, flags...)
	var c *config.Config
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		c, err = config.Load(given(cmd, values), os.Environ())
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return work(cmd.Context(), app.ProcessOptions{Config: c, Build: build, Log: cmd.ErrOrStderr()})
	}
	return cmd
}

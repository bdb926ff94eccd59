//go:build !lean

package main

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/perennial-ml/perennial/internal/app"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/control"
	"github.com/perennial-ml/perennial/internal/devserver"
)

// newUpCommand runs everything in one process. It is the only place that links
// the Temporal server; the build tag lean leaves it out.
func newUpCommand() *cobra.Command {
	var noBootstrap bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run everything in this process: Temporal, its Web UI, the worker and the API",
		Long: `Run everything in this process: an embedded Temporal server with its Web UI, the worker and the API.

The first start restores the project's data, trains every pipeline in a small budget and puts the winners into
service; later starts serve at once and resume what was running. In a directory without pipelines/ it plays a demo
project. State is kept under --home. Ctrl-C stops it.

Every setting can also come from the environment; a flag wins:

` + settingsHelp(),
		Example: `  perennial up
  perennial up --project ~/churn --listen 127.0.0.1:9000
  perennial up --no-bootstrap`,
		Args: cobra.NoArgs,
	}
	values := settingFlags(cmd, "project", "home", "pipelines", "listen", "temporal-port", "ui-port")
	cmd.Flags().BoolVar(&noBootstrap, "no-bootstrap", false, "train nothing by itself")
	tracking := cmd.Flags().String(config.TrackingFlag, "", "an MLflow server that keeps runs and versions (default: the embedded one; MLFLOW_TRACKING_URI is for api and worker)")
	var c *config.Config
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) (err error) { // before the work begins: a wrong setting is wrong usage
		if c, err = config.Load(given(cmd, values), os.Environ()); err == nil {
			c.MLflow.URI = *tracking // whatever a notebook's environment says
		}
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := devserver.NameUser(); err != nil {
			return err
		}
		screen := app.NewScreen(cmd.OutOrStdout(), term.IsTerminal(int(os.Stdout.Fd())))
		screen.Linef("Perennial %s", build)
		err := app.Up(cmd.Context(), app.UpOptions{
			Config: c, Build: build, Bootstrap: !noBootstrap, Screen: screen,
			Temporal: func(file string, log *slog.Logger) app.Temporal {
				return devserver.New(devserver.Options{
					File: filepath.Clean(file), Port: c.TemporalPort, UIPort: c.TemporalUIPort, Retention: c.TemporalRetention,
					SearchAttributes: control.AttributeNames(), Logger: log,
				})
			},
		})
		if err == nil {
			screen.Linef("Stopped.")
		}
		return err
	}
	return cmd
}

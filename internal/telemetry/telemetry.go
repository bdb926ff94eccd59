// Package telemetry makes the program's logger and its metrics registry. It
// holds no metrics itself: each component builds its own from the registerer.
package telemetry

import (
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Logger writes text or JSON lines to w, from a level on.
func Logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Registry gives a registry with the Go runtime's and the process's metrics and
// perennial_build_info.
func Registry(build string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "perennial_build_info", Help: "Always 1; the version of the program is a label.", ConstLabels: prometheus.Labels{"version": build},
	})
	info.Set(1)
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

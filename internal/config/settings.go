package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one row of the table: a variable, its flag where it has one, its
// default and what it means.
type Setting struct {
	Name    string // without PERENNIAL_
	Flag    string // "" where there is none
	Default string
	Help    string
	set     func(*Config, string) error
}

// Settings lists the table, for help texts.
func Settings() []Setting { return settings() }

func settings() []Setting {
	return []Setting{
		{"PROJECT", "project", ".", "directory of the project", text(func(c *Config) *string { return &c.Project })},
		{"HOME", "home", "", "directory of all state (default <project>/.perennial)", text(func(c *Config) *string { return &c.Home })},
		{"PIPELINES", "pipelines", "", "directory of the pipeline files (default <project>/pipelines)", text(func(c *Config) *string { return &c.Pipelines })},
		{"LISTEN", "listen", "127.0.0.1:8080", "address of the API; beyond loopback with authentication only", listen},
		{"METRICS_LISTEN", "", "", "address of a port for the API's metrics alone (default: /metrics of the API)", address(func(c *Config) *string { return &c.MetricsListen })},
		{"WORKER_LISTEN", "worker-listen", "127.0.0.1:9090", "address of the worker's health and metrics", address(func(c *Config) *string { return &c.WorkerListen })},
		{"HOSTS", "", "", "Host headers accepted besides loopback's, separated by commas", list(func(c *Config) *[]string { return &c.Hosts })},
		{"AUTH", "", "", "off or tokens (default off on loopback, tokens elsewhere)", choice(func(c *Config) *string { return &c.Auth }, "", AuthOff, AuthTokens)},
		{"ADMIN_TOKEN", "", "", "a token of the role admin, to begin with", adminToken},
		{"TLS_CERT_FILE", "", "", "certificate chain of the API in PEM; without it plain HTTP", text(func(c *Config) *string { return &c.TLSCertFile })},
		{"TLS_KEY_FILE", "", "", "its private key in PEM", text(func(c *Config) *string { return &c.TLSKeyFile })},
		{"PUBLIC_URL", "", "", "address by which people reach the API", text(func(c *Config) *string { return &c.PublicURL })},
		{"TEMPORAL_PORT", "temporal-port", "7233", "port of the embedded Temporal server", port(func(c *Config) *int { return &c.TemporalPort })},
		{"TEMPORAL_UI_PORT", "ui-port", "8233", "port of the Temporal Web UI", port(func(c *Config) *int { return &c.TemporalUIPort })},
		{"TEMPORAL_RETENTION", "", "72h", "how long Temporal remembers closed workflows", duration(func(c *Config) *time.Duration { return &c.TemporalRetention })},
		{"TEMPORAL_ADDRESS", "temporal-address", "", "host:port of the Temporal server of api and worker (default TEMPORAL_ADDRESS, else 127.0.0.1:7233)", address(func(c *Config) *string { return &c.TemporalAddress })},
		{"TEMPORAL_UI_URL", "", "http://127.0.0.1:8233", "address of that server's Web UI, for links", text(func(c *Config) *string { return &c.TemporalUIURL })},
		{"TASK_QUEUE_PREFIX", "", "perennial", "what the names of the task queues begin with", text(func(c *Config) *string { return &c.QueuePrefix })},
		{"QUEUES", "", "default,training", "the queues that a worker serves", queues},
		{"DATABASE_URL", "", "", "sqlite:<file> or postgres://… (default <home>/perennial.db)", text(func(c *Config) *string { return &c.DatabaseURL })},
		{"PREDICTIONS_URL", "", "", "sqlite:<file> or postgres://… (default <home>/predictions.db)", text(func(c *Config) *string { return &c.PredictionsURL })},
		{"DATABASE_MAX_CONNS", "", "10", "connections to each database", count(func(c *Config) *int { return &c.DatabaseMaxConns })},
		{"ARTIFACT_URL", "", "", "file:<dir> or s3://bucket/prefix (default <home>/artifacts)", text(func(c *Config) *string { return &c.ArtifactURL })},
		{"DATA_URL", "", "", "file:<dir> or s3://bucket/prefix with the data of workers that have no project (default: the project's DVC remote)", text(func(c *Config) *string { return &c.DataURL })},
		{"S3_ENDPOINT", "", "", "address of an S3 server other than AWS; keys, region and profile by AWS's own variables", text(func(c *Config) *string { return &c.S3Endpoint })},
		{"MIGRATE", "", "", "auto brings the tables to their newest form, check refuses to start on older ones (default auto in up, check elsewhere)", choice(func(c *Config) *string { return &c.Migrate }, "", "auto", "check")},
		{"MAX_BODY", "", "8MiB", "largest request body", bytes(func(c *Config) *int { return &c.MaxBody })},
		{"MAX_INSTANCES", "", "10000", "most rows in one request", count(func(c *Config) *int { return &c.MaxInstances })},
		{"MAX_IN_FLIGHT", "", "4096", "most requests at once", count(func(c *Config) *int { return &c.MaxInFlight })},
		{"REQUEST_TIMEOUT", "", "5s", "longest a request may take", duration(func(c *Config) *time.Duration { return &c.RequestTimeout })},
		{"TRAFFIC_LEASE", "", "15m", "a rollout unattended for so long: all traffic to the champion", lease},
		{"LOG_FLUSH", "", "100ms", "how often predictions are written to disk", duration(func(c *Config) *time.Duration { return &c.LogFlush })},
		{"LOG_BUFFER", "", "64MiB", "memory for predictions not yet on disk", bytes(func(c *Config) *int { return &c.LogBuffer })},
		{"KEEP_VERSIONS", "", "20", "versions that were in service and stay held, so that traffic can go back to them", count(func(c *Config) *int { return &c.KeepVersions })},
		{"SHUTDOWN_GRACE", "", "20s", "how long running work may take to end", duration(func(c *Config) *time.Duration { return &c.ShutdownGrace })},
		{"TRAIN_THREADS", "", strconv.Itoa(max(1, runtime.NumCPU()-1)), "threads of one fit", count(func(c *Config) *int { return &c.TrainThreads })},
		{"TRAIN_SLOTS", "", "1", "training steps at once", count(func(c *Config) *int { return &c.TrainSlots })},
		{"LOG_LEVEL", "", "info", "debug, info, warn or error", level},
		{"LOG_FORMAT", "", "text", "text or json", choice(func(c *Config) *string { return &c.LogFormat }, "text", "json")},
	}
}

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		*field(c) = v
		return nil
	}
}

// queues takes the kinds of task queue that a worker serves.
func queues(c *Config, v string) error {
	c.Queues = nil
	if err := list(func(c *Config) *[]string { return &c.Queues })(c, v); err != nil {
		return err
	}
	for _, q := range c.Queues {
		if q != "default" && q != "training" {
			return fmt.Errorf("%q is not a queue: there are default and training", q)
		}
	}
	if len(c.Queues) == 0 {
		return errors.New("a worker that serves no queue does nothing: name default, training or both")
	}
	return nil
}

func list(field func(*Config) *[]string) func(*Config, string) error {
	return func(c *Config, v string) error {
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				*field(c) = append(*field(c), s)
			}
		}
		return nil
	}
}

func choice(field func(*Config) *string, allowed ...string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !slices.Contains(allowed, v) {
			return fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
		}
		*field(c) = v
		return nil
	}
}

func count(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a whole number of at least 1", v)
		}
		*field(c) = n
		return nil
	}
}

func port(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("%q is not a port (1 to 65535)", v)
		}
		*field(c) = n
		return nil
	}
}

func duration(field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not a duration like 90s or 24h", v)
		}
		*field(c) = d
		return nil
	}
}

// minLease leaves a rollout time to renew its lease several times, also on a busy
// machine.
const minLease = 5 * time.Second

// lease takes how long a rollout may stay unattended.
func lease(c *Config, v string) error {
	err := duration(func(c *Config) *time.Duration { return &c.TrafficLease })(c, v)
	if err == nil && c.TrafficLease < minLease {
		err = fmt.Errorf("%q is too short for a rollout to show that it is attended to: at least %s", v, minLease)
	}
	return err
}

// units are the suffixes of a size.
var units = []struct {
	suffix string
	factor int
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

func bytes(field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		for _, u := range units {
			digits, ok := strings.CutSuffix(v, u.suffix)
			if !ok {
				continue
			}
			n, err := strconv.Atoi(digits)
			if err != nil || n < 1 {
				break
			}
			*field(c) = n * u.factor
			return nil
		}
		return fmt.Errorf("%q is not a size like 8MiB", v)
	}
}

func level(c *Config, v string) error {
	if err := c.LogLevel.UnmarshalText([]byte(v)); err != nil {
		return fmt.Errorf("%q is not one of debug, info, warn, error", v)
	}
	if c.LogLevel < slog.LevelDebug {
		return errors.New("no level is below debug")
	}
	return nil
}

// address accepts host:port, or nothing.
func address(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v != "" {
			if _, err := splitAddress(v); err != nil {
				return err
			}
		}
		*field(c) = v
		return nil
	}
}

// splitAddress gives the host of host:port.
func splitAddress(v string) (host string, err error) {
	host, p, err := net.SplitHostPort(v)
	if err != nil {
		return "", fmt.Errorf("%q is not an address like 127.0.0.1:8080", v)
	}
	if n, err := strconv.Atoi(p); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%q has no port from 0 to 65535", v)
	}
	return host, nil
}

// Package config reads Perennial's settings: flag, then environment, then
// default. Every setting is one row of the table in settings.go, which is also
// what the help text and the error messages are made from. An environment
// variable that starts with PERENNIAL_ and isn't in the table is an error, so
// that a misspelt setting never passes unnoticed. Start reading at Load.
package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/perennial-ml/perennial"
)

// Config is every setting, resolved. Paths are absolute.
type Config struct {
	Project, Home, Pipelines string
	Listen                   string
	MetricsListen            string // "": the API's own port
	WorkerListen             string
	Hosts                    []string // Host headers accepted besides loopback's
	PublicURL                string

	Auth                    string // off | tokens
	AdminToken              string // "": none
	TLSCertFile, TLSKeyFile string // "": plain HTTP

	TemporalPort, TemporalUIPort int
	TemporalRetention            time.Duration
	TemporalAddress              string // of api and worker; "": TEMPORAL_ADDRESS, else Temporal's default
	TemporalUIURL                string
	QueuePrefix                  string
	Queues                       []string // default, training

	DatabaseURL, PredictionsURL string
	DatabaseMaxConns            int
	ArtifactURL                 string
	DataURL                     string // "": the project's DVC remote
	S3Endpoint                  string // "": AWS
	Migrate                     string // auto | check | "": what the command does by itself
	MLflow                      MLflow

	MaxBody        int // bytes
	MaxInstances   int
	MaxInFlight    int
	RequestTimeout time.Duration
	LogFlush       time.Duration // of the prediction log
	LogBuffer      int           // bytes of the prediction log's memory
	TrafficLease   time.Duration
	KeepVersions   int // that were in service
	ShutdownGrace  time.Duration
	TrainThreads   int
	TrainSlots     int

	LogLevel  slog.Level
	LogFormat string // text | json
}

// Env is the prefix of every environment variable of ours.
const Env = "PERENNIAL_"

// testPrefix marks variables that tests hand to each other.
const testPrefix = Env + "TEST_"

// Load resolves every setting. flags holds the flags that were given, by their
// name without dashes; environ is in the form of os.Environ. All faults come
// back in one error of code invalid.
func Load(flags map[string]string, environ []string) (*Config, error) {
	env, faults := environment(environ)
	faults = append(faults, readSecrets(env)...)
	c := &Config{}
	var wrong []string
	c.MLflow, wrong = readMLflow(flags, environ)
	faults = append(faults, wrong...)
	for _, s := range settings() {
		value, origin := s.Default, "default"
		if v, ok := env[s.Name]; ok {
			value, origin = v, Env+s.Name
		}
		if v, ok := flags[s.Flag]; ok && s.Flag != "" {
			value, origin = v, "--"+s.Flag
		}
		if err := s.set(c, value); err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", origin, err))
		}
	}
	faults = append(faults, c.guard()...)
	if len(faults) > 0 {
		return nil, perennial.Errorf(perennial.CodeInvalid, "config.Load", "%s", strings.Join(faults, "; "))
	}
	return c, c.resolve()
}

// environment picks our variables and names those we don't know.
func environment(environ []string) (map[string]string, []string) {
	known := map[string]bool{}
	for _, s := range settings() {
		known[s.Name] = true
	}
	for _, name := range secrets {
		known[name+fileSuffix] = true
	}
	out, faults := map[string]string{}, []string{}
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		name, ours := strings.CutPrefix(key, Env)
		switch {
		case !ours || strings.HasPrefix(key, testPrefix) || slices.Contains(clientSettings, name):
		case !known[name]:
			faults = append(faults, fmt.Sprintf("%s is not a setting of this version (misspelt?)", key))
		default:
			out[name] = value
		}
	}
	return out, faults
}

// clientSettings are read by the command line itself, not by the server.
var clientSettings = []string{"API", "TOKEN", "TOKEN_FILE"}

// resolve makes paths absolute and fills what depends on them.
func (c *Config) resolve() error {
	abs := func(path, base string) string {
		if filepath.IsAbs(path) {
			return filepath.Clean(path)
		}
		return filepath.Join(base, path)
	}
	wd, err := os.Getwd()
	if err != nil {
		return perennial.Errorf(perennial.CodeInternal, "config.Load", "the working directory can't be read").Because(err)
	}
	c.Project = abs(c.Project, wd)
	if c.Home == "" {
		c.Home = filepath.Join(c.Project, ".perennial")
	}
	c.Home = abs(c.Home, wd)
	if c.Pipelines != "" {
		c.Pipelines = abs(c.Pipelines, wd)
	}
	for _, d := range []struct {
		url  *string
		name string
	}{{&c.DatabaseURL, "sqlite:perennial.db"}, {&c.PredictionsURL, "sqlite:predictions.db"}, {&c.ArtifactURL, "file:artifacts"}} {
		if *d.url == "" {
			scheme, file, _ := strings.Cut(d.name, ":")
			*d.url = scheme + ":" + filepath.Join(c.Home, file)
		}
	}
	return nil
}

// UseProject sets the directory of the project, and with it the default place
// of the pipelines.
func (c *Config) UseProject(dir string) {
	c.Project = dir
	c.Pipelines = filepath.Join(dir, "pipelines")
}

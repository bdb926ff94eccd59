package dashboards_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLive starts the program named by PERENNIAL_TEST_BINARY in an empty
// directory, so that it plays its demo project, lets a real Prometheus scrape it
// with our configuration while requests come in, and asks every query. Without
// the variable it is skipped; with it, a missing prometheus is a failure.
func TestLive(t *testing.T) {
	t.Parallel()
	binary := os.Getenv("PERENNIAL_TEST_BINARY")
	if binary == "" {
		t.Skip("set PERENNIAL_TEST_BINARY, or run make test-queries")
	}
	prometheus, err := exec.LookPath("prometheus")
	require.NoError(t, err)
	ports := freePorts(t, 4)
	api, prom := address(ports[0]), address(ports[3])

	start(t, t.TempDir(), binary, "up", "--home", t.TempDir(), "--listen", api,
		"--temporal-port", ports[1], "--ui-port", ports[2])
	for _, body := range requests {
		waitFor(t, 3*time.Minute, "a prediction", func() bool { return post(t, api, body) == http.StatusOK })
	}
	load(t, api)

	dir := t.TempDir()
	start(t, dir, prometheus, "--config.file="+configure(t, dir, api), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+prom, "--log.level=warn")
	waitFor(t, time.Minute, "Prometheus", func() bool { return get(t, "http://"+prom+"/-/ready", nil) == http.StatusOK })

	for _, q := range dashboardQueries(t) {
		t.Run(q.where, func(t *testing.T) {
			t.Parallel()
			waitFor(t, 2*time.Minute, q.expr, func() bool { return ask(t, prom, q.expr) > 0 })
		})
	}
	t.Run("every rule is healthy", func(t *testing.T) {
		t.Parallel()
		waitFor(t, 2*time.Minute, "healthy rules", func() bool { return healthy(t, prom) })
	})
}

// requests are predictions that the demo project answers.
var requests = []string{
	`{"model":"iris","features":{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}}`,
	`{"model":"california-housing","features":{"MedInc":8.3252,"HouseAge":41,"AveRooms":6.984,"AveBedrms":1.0238,"Population":322,"AveOccup":2.5556,"Latitude":37.88,"Longitude":-122.23}}`,
}

// load sends good and bad requests, a few a second, until the test ends.
func load(t *testing.T, api string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		bodies := append([]string{`{"model":"iris","features":{"sepal_length":"long"}}`, `{"model":"nobody","features":{}}`}, requests...)
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				post(t, api, bodies[i%len(bodies)])
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// start runs a program until the test ends, and shows its output where the test
// fails. It must end cleanly within 30 s of SIGTERM.
func start(t *testing.T, dir, program string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // ends with the signal; what it says doesn't matter here
		_ = log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(program), b)
		}
	})
}

// configure writes our own configuration with another target and a shorter
// interval, and gives its path.
func configure(t *testing.T, dir, api string) string {
	t.Helper()
	source := root + "/deploy/prometheus/"
	config, err := os.ReadFile(source + "prometheus.yml")
	require.NoError(t, err)
	require.Contains(t, string(config), "127.0.0.1:8080")
	text := strings.NewReplacer("127.0.0.1:8080", api, "15s", "1s").Replace(string(config))
	rules, err := os.ReadFile(source + "rules.yml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules.yml"), rules, 0o600))
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// ask gives the number of series that a query returns, with Grafana's variables
// filled in as it would.
func ask(t *testing.T, prom, expr string) int {
	t.Helper()
	expr = strings.NewReplacer("$__rate_interval", "10s", "$__range", "1m", "$model", ".*").Replace(expr)
	require.NotContains(t, expr, "$", "a variable that this test doesn't know")
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	status := get(t, "http://"+prom+"/api/v1/query?query="+url.QueryEscape(expr), &answer)
	if status == 0 {
		return 0 // no answer in time
	}
	require.Equal(t, http.StatusOK, status, answer.Error)
	return len(answer.Data.Result)
}

func healthy(t *testing.T, prom string) bool {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	get(t, "http://"+prom+"/api/v1/rules", &answer)
	n := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			require.NotEqual(t, "err", r.Health, "%s: %s", r.Name, r.LastError)
			if r.Health != "ok" {
				return false // not evaluated yet
			}
			n++
		}
	}
	return n > 0
}

// get fetches JSON; a server that isn't there yet answers 0.
func get(t *testing.T, address string, into any) int {
	t.Helper()
	return do(t, http.MethodGet, address, "", into)
}

func post(t *testing.T, api, body string) int {
	t.Helper()
	return do(t, http.MethodPost, "http://"+api+"/predict", body, nil)
}

func do(t *testing.T, method, address, body string, into any) int {
	t.Helper()
	request, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		return 0
	}
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err == nil && into != nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return 0
	}
	return response.StatusCode
}

func waitFor(t *testing.T, limit time.Duration, what string, ready func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !ready(); <-tick.C {
		require.True(t, time.Now().Before(end), "after %s still no answer: %s", limit, what)
	}
}

// freePorts gives ports that nobody listens on, none of those that the system
// gives to whoever asks for any.
func freePorts(t *testing.T, n int) (ports []string) {
	t.Helper()
	for port := 20000 + rand.IntN(8000); len(ports) < n; port++ { //nolint:gosec // no secret
		l, err := net.Listen("tcp", address(strconv.Itoa(port)))
		if err != nil {
			continue // in use
		}
		require.NoError(t, l.Close())
		ports = append(ports, strconv.Itoa(port))
	}
	return ports
}

func address(port string) string { return fmt.Sprintf("127.0.0.1:%s", port) }

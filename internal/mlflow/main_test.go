package mlflow_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// realServer is the address of an MLflow server that the suite is run against too:
// PERENNIAL_TEST_MLFLOW_URI, or one started by the Python that
// PERENNIAL_TEST_MLFLOW_PYTHON names (make interop-mlflow-server); "": none.
var realServer = os.Getenv("PERENNIAL_TEST_MLFLOW_URI")

func TestMain(m *testing.M) {
	stop := func() {}
	if python := os.Getenv("PERENNIAL_TEST_MLFLOW_PYTHON"); python != "" && realServer == "" {
		var err error
		if realServer, stop, err = startMLflow(python); err != nil {
			fmt.Fprintln(os.Stderr, "MLflow:", err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		stop()
		os.Exit(code)
	}))
}

// freePort gives a port that nobody listens on, none of those that the system
// gives to whoever asks for any: the server needs seconds until it listens.
func freePort() string {
	for {
		port := strconv.Itoa(28100 + rand.IntN(4000)) //nolint:gosec // no secret
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
}

// startMLflow starts an MLflow server and waits until it answers.
func startMLflow(python string) (uri string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "mlflow")
	if err != nil {
		return "", nil, err
	}
	port := freePort()
	cmd := exec.Command(python, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", port,
		"--backend-store-uri", "sqlite:///"+filepath.Join(dir, "mlflow.db"), "--artifacts-destination", filepath.Join(dir, "artifacts"))
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false", "MLFLOW_DISABLE_TELEMETRY=true")
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	uri = "http://127.0.0.1:" + port
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 1200 {
		if resp, err := client.Get(uri + "/health"); err == nil {
			_ = resp.Body.Close()
			return uri, stop, nil
		}
		<-tick.C
	}
	stop()
	return "", nil, fmt.Errorf("no answer from %s", uri)
}

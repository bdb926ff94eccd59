package app

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/access"
	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/telemetry"
)

// LogFile is the log's name within the home directory.
const LogFile = "perennial.log"

// openHome makes the state directory and the log file in it.
func openHome(c *config.Config) (*slog.Logger, func(), error) {
	const op = "app.openHome"
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return nil, nil, homeFault(op, c.Home, err)
	}
	if err := roomIn(c.Home); err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.Home, LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, homeFault(op, c.Home, err)
	}
	return telemetry.Logger(telemetry.Hide(f, access.TokenPrefix, c.AdminToken), c.LogFormat, c.LogLevel), func() { _ = f.Close() }, nil
}

// minRoom is the space that a start needs at least: two databases, Temporal's
// and their write-ahead logs.
const minRoom = 16 << 20

// roomIn writes and removes a file of minRoom bytes: a disk that is nearly full
// is told of before the parts fail on it, each in its own way.
func roomIn(home string) error {
	const op = "app.roomIn"
	f, err := os.CreateTemp(home, ".room-*")
	if err != nil {
		return homeFault(op, home, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // what is left over is found by its name
	block := make([]byte, 1<<20)
	for written := 0; written < minRoom && err == nil; written += len(block) {
		_, err = f.Write(block)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return perennial.Errorf(perennial.CodeUnavailable, op, "the disk of the state directory %s is full: %d MiB must be free", home, minRoom>>20).
			WithHint("Free some disk space, or choose another directory with --home.").Because(err)
	}
	return nil
}

func homeFault(op, home string, err error) error {
	return perennial.Errorf(perennial.CodeUnavailable, op, "the state directory %s can't be written", home).
		WithHint("Mend its permissions or free disk space, or choose another with --home.").Because(err)
}

// lockHome makes sure that one `perennial up` uses the home directory, and no
// other process besides.
func lockHome(home string) (unlock func(), err error) {
	return locked("app.lockHome", home, (*flock.Flock).TryLock)
}

// shareHome lets any number of api and worker processes use one home directory,
// but not beside an up. A process that keeps nothing there doesn't touch it.
func shareHome(c *config.Config) (unlock func(), err error) {
	const op = "app.shareHome"
	if !strings.Contains(c.DatabaseURL+c.PredictionsURL+c.ArtifactURL, ":"+c.Home+string(filepath.Separator)) {
		return func() {}, nil
	}
	if err := os.MkdirAll(c.Home, 0o700); err != nil {
		return nil, homeFault(op, c.Home, err)
	}
	return locked(op, c.Home, (*flock.Flock).TryRLock)
}

func locked(op, home string, try func(*flock.Flock) (bool, error)) (unlock func(), err error) {
	lock := flock.New(filepath.Join(home, "lock"))
	ok, err := try(lock)
	if err != nil {
		return nil, homeFault(op, home, err)
	}
	if !ok {
		return nil, perennial.Errorf(perennial.CodeConflict, op, "another perennial is running on %s", home).
			WithHint("Use that one, stop it, or choose another state directory with --home.")
	}
	return func() { _ = lock.Unlock() }, nil
}

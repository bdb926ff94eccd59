package app_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/perennial-ml/perennial/internal/app"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// step is a part that writes down what happens to it.
type step struct {
	name     string
	journal  *journal
	startErr error
	failed   chan error
}

type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (s step) Name() string         { return s.name }
func (s step) Failed() <-chan error { return s.failed }

func (s step) Start(context.Context) error {
	s.journal.add("start " + s.name)
	return s.startErr
}

func (s step) Stop(context.Context) error {
	s.journal.add("stop " + s.name)
	return nil
}

var quiet = slog.New(slog.DiscardHandler)

func TestRunStartsInOrderAndStopsInReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		require.NoError(t, app.Run(ctx, quiet, time.Second, step{name: "a", journal: j}, step{name: "b", journal: j}))
		require.Equal(t, []string{"start a", "start b", "stop b", "stop a"}, j.lines)
	})
}

func TestRunStopsWhatItStartedWhereAPartCannotStart(t *testing.T) {
	t.Parallel()
	j, broken := &journal{}, errors.New("port in use")
	err := app.Run(t.Context(), quiet, time.Second, step{name: "a", journal: j}, step{name: "b", journal: j, startErr: broken}, step{name: "c", journal: j})
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{"start a", "start b", "stop b", "stop a"}, j.lines)
}

func TestRunEndsWhenAPartFails(t *testing.T) {
	t.Parallel()
	j, failed := &journal{}, make(chan error, 1)
	failed <- errors.New("listener closed")
	err := app.Run(t.Context(), quiet, time.Second, step{name: "a", journal: j, failed: failed}, step{name: "b", journal: j})
	require.ErrorContains(t, err, "a: listener closed")
	require.Equal(t, []string{"start a", "start b", "stop b", "stop a"}, j.lines)
}

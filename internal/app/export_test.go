package app

import (
	"context"
	"log/slog"

	"github.com/perennial-ml/perennial/internal/config"
	"github.com/perennial-ml/perennial/internal/serve"
)

// Absent gives what a process with these settings says of models that answer
// nothing.
func Absent(ctx context.Context, c *config.Config) (absent func(model string) *serve.Absence, done func(), err error) {
	s, err := openStores(ctx, c, true, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	r, err := openTracking(c, s)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return (&kit{stores: s, tracking: r}).absent, func() { r.Close(); s.close() }, nil
}

// RowToTry gives the features of a line to try.
func RowToTry(file string) string { return example([]byte(file)) }

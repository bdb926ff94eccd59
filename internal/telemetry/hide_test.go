package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/telemetry"
)

func TestNoSecretReachesTheLog(t *testing.T) {
	t.Parallel()
	const token, admin = "prn_" + "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLM_0123", "of-the-operator-0123"
	for _, format := range []string{"text", "json"} {
		var b bytes.Buffer
		log := telemetry.Logger(telemetry.Hide(&b, "prn_", admin, ""), format, slog.LevelDebug)
		log.Info("request "+token, "path", "/tokens/"+token, "error", errors.New("no token "+admin+"!"), "id", "prn_short", "n", 3)
		log.Info("another line")
		require.NotContains(t, b.String(), token[4:])
		require.NotContains(t, b.String(), admin)
		for _, text := range []string{"request prn_[hidden]", "/tokens/prn_[hidden]", "no token [hidden]!", "prn_short", "another line"} {
			require.Contains(t, b.String(), text)
		}
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	_, err := telemetry.Hide(full{}, "prn_").Write([]byte("prn_0123456789"))
	require.ErrorContains(t, err, "full")
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

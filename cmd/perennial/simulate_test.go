package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/client"
)

func TestSimulatePlaysTheStreamAround(t *testing.T) {
	t.Parallel()
	f := newFake(t, map[string]any{
		"GET /models/churn/stream": client.List[client.StreamRow]{Items: []client.StreamRow{
			{Key: "a", Features: json.RawMessage(`{"x":1}`)}, {Key: "b", Features: json.RawMessage(`{"x":2}`)},
		}},
		"POST /predict": client.PredictResponse{Model: "churn", Version: "5", Variant: perennial.VariantChampion},
	})
	got := perennialCLI(t, "", "simulate", "churn", "--rate", "200", "--for", "300ms", "--json", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	var out simulated
	require.NoError(t, json.Unmarshal([]byte(got.out), &out))
	require.Greater(t, out.Requests, 3)
	require.Zero(t, out.Errors)
	require.Equal(t, map[string]int{"5 (champion)": out.Requests}, out.Versions)
	asked := strings.Join(f.requests(), "\n")
	for _, turn := range []string{
		`{"model":"churn","unit_id":"a#0","key":"a","features":{"x":1}}`, `{"model":"churn","unit_id":"b#0","key":"b","features":{"x":2}}`,
		`{"model":"churn","unit_id":"a#1","key":"a","features":{"x":1}}`,
	} {
		require.Contains(t, asked, turn)
	}
}

func TestSimulateSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	f := newFake(t, map[string]any{
		"GET /models/dry/stream":  client.List[client.StreamRow]{},
		"GET /models/down/stream": client.List[client.StreamRow]{Items: []client.StreamRow{{Key: "a", Features: json.RawMessage(`{}`)}}},
		"POST /predict":           perennial.Errorf(perennial.CodeUnavailable, "", "down has no version in service yet."),
	})
	got := perennialCLI(t, "", "simulate", "dry", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "split.stream")
	got = perennialCLI(t, "", "simulate", "down", "--for", "50ms", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "no version in service")
	got = perennialCLI(t, "", "simulate", "dry", "--rate", "0", "--api", f.url)
	require.Equal(t, exitUsage, got.code)
}

package main

import (
	"context"
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
	})
	ctx, stop := context.WithCancel(t.Context())
	asked := 0
	f.answers["POST /predict"] = func([]byte) any {
		if asked++; asked == 4 {
			stop()
		}
		return client.PredictResponse{Model: "churn", Version: "5", Variant: perennial.VariantChampion}
	}
	got := runWith(ctx, "", "simulate", "churn", "--rate", "200", "--json", "--api", f.url)
	require.Equal(t, exitDone, got.code, got.err)
	var out simulated
	require.NoError(t, json.Unmarshal([]byte(got.out), &out))
	require.Greater(t, out.Requests, 3)
	require.Zero(t, out.Errors)
	require.Equal(t, map[string]int{"5 (champion)": out.Requests}, out.Versions)
	requests := strings.Join(f.requests(), "\n")
	for _, turn := range []string{
		`{"model":"churn","unit_id":"a#0","key":"a","features":{"x":1}}`, `{"model":"churn","unit_id":"b#0","key":"b","features":{"x":2}}`,
		`{"model":"churn","unit_id":"a#1","key":"a","features":{"x":1}}`,
	} {
		require.Contains(t, requests, turn)
	}
}

func TestSimulateSaysWhyItCannot(t *testing.T) {
	t.Parallel()
	f := newFake(t, map[string]any{
		"GET /models/dry/stream":  client.List[client.StreamRow]{},
		"GET /models/down/stream": client.List[client.StreamRow]{Items: []client.StreamRow{{Key: "a", Features: json.RawMessage(`{}`)}}},
	})
	ctx, stop := context.WithCancel(t.Context())
	f.answers["POST /predict"] = func([]byte) any {
		stop()
		return perennial.Errorf(perennial.CodeUnavailable, "", "down has no version in service yet.")
	}
	got := perennialCLI(t, "", "simulate", "dry", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "split.stream")
	got = runWith(ctx, "", "simulate", "down", "--api", f.url)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "no version in service")
	got = perennialCLI(t, "", "simulate", "dry", "--rate", "0", "--api", f.url)
	require.Equal(t, exitUsage, got.code)
}

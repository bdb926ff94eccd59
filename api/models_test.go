package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/api"
	"github.com/perennial-ml/perennial/internal/client"
)

// crowd is a registry with many models of which every second is in service. Only
// what it overrides may be asked.
type crowd struct {
	api.Registry
	api.Traffic
	api.Rollouts

	asked int // questions
}

func (c *crowd) Models(context.Context) ([]perennial.RegisteredModel, error) {
	c.asked++
	out := make([]perennial.RegisteredModel, 40)
	for i := range out {
		out[i].Name = fmt.Sprintf("m%02d", i)
	}
	return out, nil
}

func (c *crowd) List(context.Context) ([]perennial.Traffic, error) {
	c.asked++
	out := make([]perennial.Traffic, 20)
	for i := range out {
		out[i] = perennial.Traffic{Model: fmt.Sprintf("m%02d", 2*i), Mode: perennial.ModeServing, Champion: "1", Epoch: 1}
	}
	return out, nil
}

func (c *crowd) Divergences(_ context.Context, rows ...perennial.Traffic) (map[string]*client.DivergenceView, error) {
	c.asked++
	return map[string]*client.DivergenceView{rows[1].Model: {Alias: "champion", Version: "7"}}, nil
}

func TestManyModelsAreReadTogether(t *testing.T) {
	t.Parallel()
	c := &crowd{}
	o := newWorld().options()
	o.Registry, o.Traffic, o.Rollouts = c, c, c
	s := api.New(o)
	get := func(path string, into any) {
		resp, err := s.App().Test(scenario{do: "GET " + path}.request(t), -1)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
	}
	var models client.List[client.ModelView]
	get("/models", &models)
	require.Equal(t, 3, c.asked)
	require.Len(t, models.Items, 40)
	require.Equal(t, perennial.ModeServing, models.Items[2].Traffic.Mode)
	require.Equal(t, client.TrafficView{Model: "m03", Mode: perennial.ModeNone}, models.Items[3].Traffic)
	for i, m := range models.Items {
		require.Equal(t, i == 2, m.Traffic.Alias != nil, m.Model)
	}
	var status client.StatusView
	get("/status", &status)
	require.Equal(t, 5, c.asked)
	require.Len(t, status.Models, 20)
	require.Equal(t, "7", status.Models[1].Alias.Version)
}

package serve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial"
	"github.com/perennial-ml/perennial/internal/serve"
)

// follow runs f with an engine inside a bubble of fake time; tick passes one
// poll interval.
func follow(t *testing.T, w *world, f func(t *testing.T, e *serve.Engine, tick func(), logged *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		o := w.options()
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		e := serve.New(o)
		require.NoError(t, e.Start(t.Context()))
		f(t, e, func() {
			<-time.After(serve.DefaultPoll)
			synctest.Wait()
		}, &logged)
		require.NoError(t, e.Stop(context.Background()))
	})
}

func version(t *testing.T, e *serve.Engine) string {
	t.Helper()
	got, err := ask(t, e, request(row(nil)))
	require.NoError(t, err)
	_, rest, _ := strings.Cut(got, `"version":"`)
	v, _, _ := strings.Cut(rest, `"`)
	return v
}

func TestFollowsTraffic(t *testing.T) {
	t.Parallel()
	w := newWorld()
	follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), _ *bytes.Buffer) {
		require.True(t, e.Ready(), "Start serves at once")
		require.Equal(t, "5", version(t, e))
		w.put(perennial.Traffic{Model: "churn", Mode: perennial.ModeServing, Champion: "6", Previous: "5", Epoch: 2})
		require.Equal(t, "5", version(t, e))
		tick()
		require.Equal(t, "6", version(t, e))
		for range 5 {
			tick()
		}
		require.Equal(t, map[string]int{"churn/5": 1, "churn/6": 1, "house/1": 1}, w.loads, "each file is read once")
		states := e.Models()
		require.Len(t, states, 2)
		require.Equal(t, int64(2), states[0].Traffic.Epoch)
		require.Equal(t, []serve.VersionState{
			{Version: "6", Variant: perennial.VariantChampion, Algorithm: "fake", SHA256: "churn/6"},
			{Version: "5", Variant: perennial.VariantPrevious, Algorithm: "fake", SHA256: "churn/5"},
		}, states[0].Versions)
		require.Empty(t, states[0].Error)
	})
}

func TestKeepsTheLastGoodStateWithoutADatabase(t *testing.T) {
	t.Parallel()
	w := newWorld()
	follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), logged *bytes.Buffer) {
		w.set(func() { w.down = errors.New("no route to host") })
		for range 10 {
			tick()
		}
		require.Equal(t, "5", version(t, e))
		require.True(t, e.Ready())
		require.Error(t, e.Err())
		require.Equal(t, 1, strings.Count(logged.String(), "no route to host"), "logged once")
		w.set(func() { w.down = nil })
		tick()
		require.NoError(t, e.Err())
		require.Contains(t, logged.String(), "can be read again")
	})
}

func TestNotReadyBeforeTheFirstRead(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.down = errors.New("no route to host")
	follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), _ *bytes.Buffer) {
		require.False(t, e.Ready())
		_, err := ask(t, e, request(row(nil)))
		require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
		w.set(func() { w.down = nil })
		tick()
		require.True(t, e.Ready())
	})
}

func TestNoModelsAtAllIsReady(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rows = nil
	require.True(t, start(t, w).Ready())
}

func TestAModelThatComesLaterLeavesTheOthersReady(t *testing.T) {
	t.Parallel()
	w := newWorld()
	follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), _ *bytes.Buffer) {
		w.put(perennial.Traffic{Model: "young", Mode: perennial.ModeServing, Champion: "1", Epoch: 1})
		tick()
		require.NotEmpty(t, e.Models()[2].Error, "its file is missing")
		require.True(t, e.Ready())
		require.Equal(t, "5", version(t, e))
	})
}

func TestKeepsTheLastGoodVersion(t *testing.T) {
	t.Parallel()
	w := newWorld()
	six := w.files["churn/6"]
	delete(w.files, "churn/6")
	follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), logged *bytes.Buffer) {
		w.put(perennial.Traffic{Model: "churn", Mode: perennial.ModeServing, Champion: "6", Epoch: 2})
		for range 240 { // a minute
			tick()
		}
		require.Equal(t, "5", version(t, e))
		require.True(t, e.Ready())
		state := e.Models()[0]
		require.Equal(t, int64(1), state.Traffic.Epoch)
		require.Equal(t, int64(2), state.Wanted)
		require.Contains(t, state.Error, "churn/6 is missing")
		require.Equal(t, 1, strings.Count(logged.String(), "can't be loaded"), "logged once")
		require.Less(t, w.loads["churn/6"], 12, "tried less and less often")
		w.set(func() { w.files["churn/6"] = six })
		for range 121 {
			tick()
		}
		require.Equal(t, "6", version(t, e))
		require.Empty(t, e.Models()[0].Error)
	})
}

func TestAPreviousVersionThatIsGoneKeepsNobodyFromServing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), _ *bytes.Buffer) {
		w.put(perennial.Traffic{Model: "churn", Mode: perennial.ModeServing, Champion: "6", Previous: "7", Epoch: 2})
		tick()
		require.Equal(t, "6", version(t, e))
		require.NotEmpty(t, e.Models()[0].Error)
	})
}

func TestAModelThatFailsWhenWarmedIsNotPutInService(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func([]float64) float64{
		"NaN":   func([]float64) float64 { return nan() },
		"panic": func([]float64) float64 { panic("index out of range") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.files["churn/5"].answer = answer
			e := start(t, w)
			require.False(t, e.Ready())
			_, err := ask(t, e, request(row(nil)))
			require.Equal(t, perennial.CodeUnavailable, perennial.CodeOf(err))
			require.Contains(t, e.Models()[0].Error, "could not make a first prediction")
			_, err = ask(t, e, `{"model":"house","features":{"rooms":1,"age":1}}`)
			require.NoError(t, err, "the other model answers")
		})
	}
}

func TestChampionAnswersAloneWhereTheChallengerCantBeLoadedAtStart(t *testing.T) {
	t.Parallel()
	w := newWorld()
	delete(w.files, "churn/6")
	w.put(canaryRow(10000, 4))
	e := start(t, w)
	require.Equal(t, "5", version(t, e))
	require.NotEmpty(t, e.Models()[0].Error)
	require.True(t, e.Ready())
}

func TestNobodyIsSentToAVersionThatTheRowNoLongerNames(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]perennial.Traffic{
		"another challenger that can't be loaded": {Model: "churn", Mode: perennial.ModeCanary, Champion: "5", Challenger: "7", Epoch: 3},
		"another champion that can't be loaded":   {Model: "churn", Mode: perennial.ModeServing, Champion: "7", Epoch: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.put(canaryRow(10000, 2))
			follow(t, w, func(t *testing.T, e *serve.Engine, tick func(), _ *bytes.Buffer) {
				require.Equal(t, "6", version(t, e))
				w.put(next)
				tick()
				require.Equal(t, "5", version(t, e))
				require.Contains(t, e.Models()[0].Error, "churn/7 is missing")
			})
		})
	}
}

func TestASlowLoadHoldsUpNoChangeOfTraffic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // the channel belongs into the bubble
		w, r := newWorld(), &reports{}
		w.files["churn/7"] = w.files["churn/5"]
		w.slow = map[string]chan struct{}{"churn/7": make(chan struct{})}
		w.put(canaryRow(10000, 2))
		o := w.options()
		o.Replicas = r
		e := serve.New(o)
		require.NoError(t, e.Start(t.Context()))
		tick := func() {
			<-time.After(2 * serve.DefaultPoll)
			synctest.Wait()
		}
		require.Equal(t, "6", version(t, e))
		w.put(perennial.Traffic{Model: "churn", Mode: perennial.ModeCanary, Champion: "5", Challenger: "7", WeightBP: 0, Epoch: 3})
		tick()
		require.Equal(t, "5", version(t, e), "nobody is sent to the version before")
		w.put(canaryRow(10000, 4))
		tick()
		require.Equal(t, "6", version(t, e), "the next change is in force while 7 is loading")
		last := perennial.Traffic{Model: "churn", Mode: perennial.ModeServing, Champion: "7", Epoch: 5}
		w.put(last)
		<-time.After(2 * time.Second)
		synctest.Wait()
		require.Equal(t, "5", version(t, e), "the champion of before, while 7 is loading")
		require.Empty(t, r.of("7"), "it is no failure")
		close(w.slow["churn/7"])
		tick()
		require.Equal(t, int64(5), e.Models()[0].Traffic.Epoch)
		require.Equal(t, "7", version(t, e))
		require.NoError(t, e.Stop(context.Background()))
	})
}

func TestAssignment(t *testing.T) {
	t.Parallel()
	watch := perennial.Traffic{Model: "churn", Mode: perennial.ModeWatch, Champion: "6", Previous: "5", WeightBP: 9500, Salt: "s", Epoch: 9}
	ab := canaryRow(5000, 3)
	ab.Mode = perennial.ModeAB
	for name, test := range map[string]struct {
		row             perennial.Traffic
		inside, outside string
		out             perennial.Variant
	}{
		"canary":       {canaryRow(2500, 2), "6 challenger", "5 champion", perennial.VariantChampion},
		"canary at 0":  {canaryRow(0, 2), "6 challenger", "5 champion", perennial.VariantChampion},
		"canary at 1":  {canaryRow(10000, 2), "6 challenger", "5 champion", perennial.VariantChampion},
		"a test of ab": {ab, "6 challenger", "5 champion", perennial.VariantChampion},
		"watch":        {watch, "6 champion", "5 previous", perennial.VariantPrevious},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			w.put(test.row)
			e := start(t, w)
			for i := range 300 {
				unit := fmt.Sprintf("u%d", i)
				body := strings.Replace(request(row(nil)), "user-17", unit, 1)
				_, err := ask(t, e, body)
				require.NoError(t, err)
				got := w.log()[i]
				bucket := perennial.Bucket("s", unit)
				want := test.outside
				if bucket < test.row.WeightBP {
					want = test.inside
				}
				require.Equal(t, want, got.Version+" "+string(got.Variant))
				require.Equal(t, bucket, got.Bucket)
			}
		})
	}
}

func TestWithoutAUnitTheRequestIsAssigned(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.put(canaryRow(5000, 2))
	e := start(t, w)
	seen := map[string]int{}
	for range 200 {
		_, err := ask(t, e, `{"model":"churn","instances":[`+row(nil)+`,`+row(nil)+`]}`)
		require.NoError(t, err)
	}
	log := w.log()
	for i := 0; i < len(log); i += 2 {
		seen[log[i].Version]++
		require.Equal(t, log[i].Version, log[i+1].Version, "one request, one version")
		require.Equal(t, perennial.Bucket("s", log[i].ID), log[i].Bucket)
		require.Empty(t, log[i].UnitID)
	}
	require.Greater(t, seen["5"], 50)
	require.Greater(t, seen["6"], 50)
}

func TestChampionAnswersForAFailedChallenger(t *testing.T) {
	t.Parallel()
	narrow := churn()
	narrow.Columns[2].Values = []string{"plus", "pro"} // basic is refused
	for name, break6 := range map[string]func(*fakeModel){
		"not finite": func(m *fakeModel) { m.answer = failFrom(2, nan) },
		"panic":      func(m *fakeModel) { m.answer = failFrom(2, func() float64 { panic("boom") }) },
		"refuses":    func(m *fakeModel) { m.schema = narrow },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			break6(w.files["churn/6"])
			w.put(canaryRow(10000, 2))
			e := start(t, w)
			got, err := ask(t, e, request(row(nil)))
			require.NoError(t, err)
			require.Contains(t, got, `"version":"5","variant":"champion","prediction":"no"`)
			log := w.log()
			require.Len(t, log, 2)
			require.Equal(t, log[0].ID, log[1].ID)
			require.Equal(t, []any{"6", perennial.VariantChallenger, 0, "error", ""}, []any{log[0].Version, log[0].Variant, log[0].Attempt, log[0].Status, log[0].Answer})
			require.Equal(t, []any{"5", perennial.VariantChampion, 1, "ok", "no"}, []any{log[1].Version, log[1].Variant, log[1].Attempt, log[1].Status, log[1].Answer})
			require.Equal(t, log[0].Bucket, log[1].Bucket)
			_, err = ask(t, e, request(row(map[string]any{"plan": "gold"})))
			require.Equal(t, perennial.CodeInvalid, perennial.CodeOf(err))
			require.Len(t, w.log(), 2, "what the champion refuses too is nobody's failure")
		})
	}
}

func TestChampionFailsToo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.files["churn/5"].answer = failFrom(2, nan)
	w.files["churn/6"].answer = failFrom(2, nan)
	w.put(canaryRow(10000, 2))
	_, err := ask(t, start(t, w), request(row(nil)))
	require.Equal(t, perennial.CodeInternal, perennial.CodeOf(err))
	log := w.log()
	require.Len(t, log, 2)
	require.Equal(t, "error", log[1].Status)
}

func TestSchemaIsTheChampions(t *testing.T) {
	t.Parallel()
	e := start(t, newWorld())
	s, err := e.Schema("house")
	require.NoError(t, err)
	require.Equal(t, house(), *s)
	_, err = e.Schema("nope")
	require.Equal(t, perennial.CodeNotFound, perennial.CodeOf(err))
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.files["churn/6"].answer = failFrom(2, nan)
	w.put(canaryRow(10000, 2))
	registry := prometheus.NewPedanticRegistry()
	o := w.options()
	o.Registerer = registry
	e := serve.New(o)
	require.NoError(t, e.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, e.Stop(context.Background())) })
	_, err := ask(t, e, request(row(nil)))
	require.NoError(t, err)
	_, err = ask(t, e, `{"model":"house","instances":[{"rooms":1,"age":1},{"rooms":1,"age":1}]}`)
	require.NoError(t, err)
	for _, body := range []string{`{`, `{"model":"nope","features":{}}`, request(`{}`)} {
		_, err := ask(t, e, body)
		require.Error(t, err)
	}
	require.Equal(t, []string{
		"perennial_serve_model_info{fake,churn,5} 1",
		"perennial_serve_model_info{fake,churn,6} 1",
		"perennial_serve_model_info{fake,house,1} 1",
		"perennial_serve_prediction_duration_seconds{churn,5} 1",
		"perennial_serve_prediction_duration_seconds{churn,6} 1",
		"perennial_serve_prediction_duration_seconds{house,1} 1",
		"perennial_serve_predictions_total{churn,error,challenger,6} 1",
		"perennial_serve_predictions_total{churn,error,champion,5} 0",
		"perennial_serve_predictions_total{churn,ok,challenger,6} 0",
		"perennial_serve_predictions_total{churn,ok,champion,5} 1",
		"perennial_serve_predictions_total{house,error,champion,1} 0",
		"perennial_serve_predictions_total{house,ok,champion,1} 2",
		"perennial_serve_rejected_total{invalid,churn} 1",
		"perennial_serve_rejected_total{malformed,} 1",
		"perennial_serve_rejected_total{not_found,} 1",
		"perennial_serve_rollout_unattended{churn} 0",
		"perennial_serve_rollout_unattended{house} 0",
		"perennial_serve_traffic_epoch{churn} 2",
		"perennial_serve_traffic_epoch{house} 1",
	}, gather(t, registry))
}

// gather gives every series with its label values, in the order of label names;
// of a histogram the number of observations.
func gather(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	var out []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			out = append(out, fmt.Sprintf("%s{%s} %g", f.GetName(), strings.Join(labels, ","), v))
		}
	}
	return out
}

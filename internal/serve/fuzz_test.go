package serve_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
)

// FuzzPredict: any body gets an answer that is JSON or an error with one of the
// codes of a bad request, and what encoding/json calls invalid is malformed.
func FuzzPredict(f *testing.F) {
	for _, seed := range []string{
		request(row(nil)), `{"model":"house","instances":[{"rooms":1,"age":2},{"rooms":1e3,"age":-0.5}],"keys":["a","b"]}`,
		`{"model":"house","features":{"rooms":NaN,"age":"\ud83d\ude00"}}`, `[1,2,{"a":null}]`, `{"a":"\ud800"}`, `{"model":"house","features":{"rooms":1e999,"age":-1e-999}}`, ` `, `{}`, `{"instances":[]`,
	} {
		f.Add([]byte(seed))
	}
	w := newWorld()
	e := start(f, w)
	f.Fuzz(func(t *testing.T, body []byte) {
		answer, err := e.Predict(t.Context(), body, perennial.KindLive)
		switch perennial.CodeOf(err) {
		case "":
			require.True(t, json.Valid(answer), "%s", answer)
			require.True(t, json.Valid(w.log()[len(w.log())-1].Features))
		case perennial.CodeMalformed, perennial.CodeInvalid, perennial.CodeNotFound, perennial.CodeUnavailable:
			_, _, list := perennial.Explain(err)
			b, jsonErr := json.Marshal(list)
			require.NoError(t, jsonErr)
			require.NoError(t, json.Unmarshal(b, new(any)), "every client can read it")
		default:
			require.NoError(t, err)
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			require.Equal(t, perennial.CodeMalformed, perennial.CodeOf(err))
		}
		w.set(func() { w.logged = w.logged[:0] })
	})
}

// Every sound JSON text is read as encoding/json reads it: a regression over
// the sum of two numbers gives their float64 sum back.
func TestNumbersRoundTrip(t *testing.T) {
	t.Parallel()
	e := start(t, newWorld())
	rapid.Check(t, func(rt *rapid.T) {
		x := rapid.Float64().Filter(func(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }).Draw(rt, "x")
		b, err := json.Marshal(map[string]any{"model": "house", "features": map[string]float64{"rooms": x, "age": 0}})
		require.NoError(rt, err)
		answer, err := e.Predict(t.Context(), b, perennial.KindLive)
		require.NoError(rt, err)
		var got struct{ Prediction float64 }
		require.NoError(rt, json.Unmarshal(answer, &got))
		require.Equal(rt, x+0, got.Prediction)
	})
}

func TestPredictionIDsAreOrderedInTime(t *testing.T) {
	t.Parallel()
	w := newWorld()
	e := start(t, w)
	before := time.Now()
	for range 3 {
		_, err := e.Predict(t.Context(), []byte(request(row(nil))), perennial.KindLive)
		require.NoError(t, err)
		for start := time.Now(); time.Since(start) < 2*time.Microsecond; { // the resolution of an id is 0.25 µs
		}
	}
	log := w.log()
	require.Less(t, log[0].ID, log[1].ID)
	require.Less(t, log[1].ID, log[2].ID)
	require.GreaterOrEqual(t, log[0].At, before.UnixMicro())
}

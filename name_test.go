package perennial_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/perennial-ml/perennial"
)

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"iris": true, "california-housing": true, "a": true, "a1": true, "a" + strings.Repeat("b", 62): true,
		"": false, "Iris": false, "1a": false, "-a": false, "a_b": false, "a/b": false, "a\n": false, "é": false, "a" + strings.Repeat("b", 63): false,
	} {
		require.Equal(t, want, perennial.ValidName(name), "%q", name)
	}
}

func TestDurationIsWrittenAsGoWritesIt(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(perennial.Duration(90 * time.Second))
	require.NoError(t, err)
	require.JSONEq(t, `"1m30s"`, string(b))
	var d perennial.Duration
	require.NoError(t, json.Unmarshal([]byte(`"24h"`), &d))
	require.Equal(t, perennial.Duration(24*time.Hour), d)
	for _, bad := range []string{`"1 day"`, `90`, `"90"`, `""`, `null1`} {
		require.Error(t, json.Unmarshal([]byte(bad), &d), bad)
	}
}

func TestLimitForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]perennial.Limit{
		`0.02`: {Value: 0.02}, `"0.02"`: {Value: 0.02}, `"2%"`: {Value: 0.02, Relative: true}, `"7%"`: {Value: 0.07, Relative: true}, `0`: {},
	} {
		var l perennial.Limit
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		require.Equal(t, want, l, text)
	}
	for _, bad := range []string{`"2% of it"`, `"2 %"`, `"%"`, `"two"`, `"NaN"`, `"1e999%"`, `true`, `{}`} {
		var l perennial.Limit
		require.Error(t, json.Unmarshal([]byte(bad), &l), bad)
	}
	b, err := json.Marshal(perennial.Limit{Value: 0.07, Relative: true})
	require.NoError(t, err)
	require.Equal(t, `"7%"`, string(b))
}

func TestLimitSurvivesJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := perennial.Limit{Value: rapid.Float64Range(-1e6, 1e6).Draw(t, "value"), Relative: rapid.Bool().Draw(t, "relative")}
		if l.Relative {
			l.Value /= 100 // as reading a percentage gives it
		}
		b, err := json.Marshal(l)
		require.NoError(t, err)
		var back perennial.Limit
		require.NoError(t, json.Unmarshal(b, &back), string(b))
		require.Equal(t, l, back, string(b))
	})
}

package tracking_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/mlflow"
	"github.com/perennial-ml/perennial/internal/tracking"
)

func TestFilters(t *testing.T) {
	t.Parallel()
	for filter, want := range map[string][]string{
		"":                                 nil,
		" \n\t ":                           nil,
		"metrics.acc > 0.75":               {`metric "acc" > 0.75`},
		"metrics.acc>=-1.5e-3":             {`metric "acc" >= -0.0015`},
		"METRIC.acc = .5 AND metrics.b<>2": {`metric "acc" = 0.5`, `metric "b" != 2`},
		"metrics.`val loss` <= 2 and params.algo != 'rf'": {`metric "val loss" <= 2`, `parameter "algo" != "rf"`},
		`metrics."val loss" < 2`:                          {`metric "val loss" < 2`},
		"tags.mlflow.parentRunId = 'x'":                   {`tag "mlflow.parentRunId" = "x"`},
		"tags.`a.b` = \"it's\"":                           {`tag "a.b" = "it's"`},
		"tags.a = 'it''s' AND tags.`b``c` = ''":           {`tag "a" = "it's"`, "tag \"b`c\" = \"\""},
		"tags.`AND` = 'AND'":                              {`tag "AND" = "AND"`},
		"tags.größe LIKE 'ä%' and tags.2d ILIKE '_'":      {`tag "größe" LIKE "ä%"`, `tag "2d" ILIKE "_"`},
		"tags.a IS NULL AND params.b is not null":         {`tag "a" IS NULL `, `parameter "b" IS NOT NULL `},
		"run_id IN ('a', 'b')":                            {`attribute "run_id" IN ["a" "b"]`},
		"attribute.run_id NOT IN (\"a\")AND run_id='c'":   {`attribute "run_id" NOT IN ["a"]`, `attribute "run_id" = "c"`},
		"run_name = 'x' and `run name` != 'y'":            {`attribute "name" = "x"`, `attribute "name" != "y"`},
		"start_time >= 1700000000010":                     {`attribute "start_time" >= 1.70000000001e+12`},
		"dataset.name IN ('a')":                           {`dataset "name" IN ["a"]`},
	} {
		got, err := tracking.ParseFilter(filter)
		require.NoError(t, err, filter)
		require.Equal(t, want, got, filter)
	}
}

func TestBadFilters(t *testing.T) {
	t.Parallel()
	for filter, message := range map[string]string{
		"metrics.a > 'x'":                "Expected numeric value type for metric. Found 'x'",
		"params.algo IN ('gb','lr')":     "Invalid comparator 'IN' for parameter 'algo' of a run: it takes one of =, !=, LIKE, ILIKE, IS NULL, IS NOT NULL.",
		"params.a = 3":                   "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 3",
		"run_name = x":                   "Expected a quoted string value for attribute name (e.g. 'my-value'). Got value x",
		"start_time > 'now'":             "Expected numeric value type for attribute start_time. Found 'now'",
		"foo.bar = 'x'":                  "Invalid entity type 'foo'. Valid entity types are ('attribute', 'dataset', 'metric', 'metrics', 'params', 'tags')",
		"bar = 'x'":                      "Invalid attribute key 'bar' specified. Valid keys are 'run_id', 'run_name', 'start_time'",
		"end_time > 3":                   "Invalid attribute key 'end_time' specified",
		"dataset.size = 'x'":             "Invalid dataset key 'size' specified. Valid keys are 'name'",
		"metrics.a > 1 OR metrics.b > 2": "Invalid clause(s) in filter string: 'OR'.",
		"(metrics.a > 1)":                "a key like metrics.accuracy is expected, not '('",
		"metrics.a > 1 AND":              "a key like metrics.accuracy is expected, not 'end of the filter'",
		"metrics.a > 1 metrics.b > 2":    "Invalid clause(s) in filter string: 'metrics.b'.",
		"metrics.a":                      "a comparison like = or LIKE is expected, not 'end of the filter'",
		"metrics.a >":                    "Found end of the filter",
		"metrics.a > 1.2.3":              "Found 1.2.3",
		"metrics.a > 1e999":              "The value 1e999 for metric is beyond the range of numbers",
		"metrics.a > NaN":                "Found NaN",
		"metrics.a == 1":                 "Invalid comparator '=='",
		"metrics.a LIKE 'x'":             "Invalid comparator 'LIKE'",
		"metrics.a NOT 5":                "a comparison like = or LIKE is expected, not 'NOT'",
		"metrics. > 1":                   "Invalid key 'metrics.': nothing follows the dot.",
		"tags.a = 'x":                    "The quote ' at position 10 of the filter string is never closed.",
		"tags.`a = 'x'":                  "The quote ` at position 6 of the filter string is never closed.",
		"tags.a = 'x' # comment":         "the character '#' at position 14 means nothing here",
		"run_id IN ()":                   "got ')'",
		"run_id IN ('a'":                 "got 'end of the filter'",
		"run_id IN ('a', 3)":             "got '3'",
		"run_id IN 'a'":                  "Expected a list of strings in parentheses after IN (e.g. ('a', 'b')). Got value 'a'",
		"tags.a IS 'x'":                  "a comparison like = or LIKE is expected, not 'IS'",
		"tags.a = 'x\xff' AND \xff":      "means nothing here",
		strings.Repeat("tags.a='' AND ", 101) + "tags.a=''": "The filter string has more than 100 clauses.",
		strings.Repeat(" ", 200_000):                        "The filter string is longer than 100000 bytes.",
	} {
		_, err := tracking.ParseFilter(filter)
		e, ok := errors.AsType[*mlflow.Error](err)
		require.True(t, ok, filter)
		require.Equal(t, mlflow.CodeInvalid, e.Code)
		require.Contains(t, e.Message, message, filter)
	}
}

func TestOrders(t *testing.T) {
	t.Parallel()
	got, err := tracking.ParseOrder("metrics.acc DESC", "`run name`", "params.`a b` asc", "start_time desc")
	require.NoError(t, err)
	require.Equal(t, []string{`metric "acc" true`, `attribute "name" false`, `parameter "a b" false`, `attribute "start_time" true`}, got)
	for _, bad := range []string{"", "metrics.a UP", "metrics.a DESC b", "'x'", "foo.a", "bar", "dataset.name", "metrics.`a", "= 3", "user_id"} {
		_, err := tracking.ParseOrder(bad)
		_, ok := errors.AsType[*mlflow.Error](err)
		require.True(t, ok, bad)
	}
	_, err = tracking.ParseOrder(make([]string, 17)...)
	require.ErrorContains(t, err, "more than 16 keys")
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{"metrics.acc > 0.5 and tags.`a b` != 'x'", "run_id IN ('a','b')", "start_time desc", "tags.a IS NOT NULL", "'\"`"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func() ([]string, error){
			func() ([]string, error) { return tracking.ParseFilter(text) },
			func() ([]string, error) { return tracking.ParseOrder(text) },
		} {
			if _, err := parse(); err != nil {
				e, ok := errors.AsType[*mlflow.Error](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, mlflow.CodeInvalid, e.Code)
			}
		}
	})
}

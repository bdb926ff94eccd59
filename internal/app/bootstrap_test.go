package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/perennial-ml/perennial/internal/app"
)

func TestTheLineToTryIsARowAndNothingElse(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"{ \"a\": 1.50,\n \"b\": \"it's\", \"c\": null }": `{"a":1.50,"b":"it'\''s","c":null}`,
		`{"größe":"\u001b[2J"}`:                           `{"größe":"\u001b[2J"}`,
		"":                                                "",
		"hacked":                                          "",
		"{}":                                              "",
		`[1]`:                                             "",
		`{"a":{"b":1}}`:                                   "",
		`{"a":1} ; rm`:                                    "",
		"{\"a\":\"\u202e\"}":                              "",
	} {
		require.Equal(t, want, app.RowToTry(file), file)
	}
}

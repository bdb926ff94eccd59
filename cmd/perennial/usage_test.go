package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestWrongUsageExitsWithTwo(t *testing.T) {
	t.Parallel()
	for line, text := range map[string]string{
		"":                          "Usage:",
		"fly":                       `unknown command "fly"`,
		"run":                       "Usage:",
		"run fly":                   "unknown command",
		"run compare one":           "requires at least 2 arg",
		"models --colour":           "unknown flag: --colour",
		"models extra":              "unknown command",
		"history iris --limit many": "invalid argument",
		"train":                     "accepts 1 arg",
		"train ''":                  "an argument is empty: perennial train PIPELINE",
		"run show ''":               "an argument is empty",
		"runs iris --limit 0":       "--limit must be at least 1, not 0",
		"history iris --limit -1":   "--limit must be at least 1, not -1",
		"train iris --budget huge":  "--budget is bootstrap or full, not huge",
		"predict iris":              "--input is missing",
		"init":                      "accepts 1 arg",
		"import prices":             "accepts 2 arg",
		"import prices model.txt":   "--schema is missing",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(line)
			for i := range args {
				args[i] = strings.Trim(args[i], "'")
			}
			got := perennialCLI(t, "", args...)
			require.Equal(t, exitUsage, got.code)
			require.Contains(t, got.out+got.err, text)
		})
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	t.Parallel()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.HasParent() {
			require.NotEmpty(t, cmd.Short, cmd.CommandPath())
			require.Contains(t, cmd.Example, cmd.CommandPath())
			require.NotNil(t, cmd.Args, cmd.CommandPath())
			got := perennialCLI(t, "", append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
			require.Equal(t, exitDone, got.code)
			require.Contains(t, got.out, "Examples:")
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk((&cli{}).newRoot())
}

func TestVersion(t *testing.T) {
	t.Parallel()
	got := perennialCLI(t, "", "version")
	require.Equal(t, exitDone, got.code)
	require.Regexp(t, `^perennial \S+ \(go1`, got.out)
}

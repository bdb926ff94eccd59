package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/perennial-ml/perennial/internal/config"
)

// settingFlags adds those flags of settings that a command has.
func settingFlags(cmd *cobra.Command, flags ...string) map[string]*string {
	values := map[string]*string{}
	for _, s := range config.Settings() {
		if slices.Contains(flags, s.Flag) {
			values[s.Flag] = cmd.Flags().String(s.Flag, s.Default, s.Help)
		}
	}
	return values
}

// given picks the flags that were really given: the others leave the word to
// the environment.
func given(cmd *cobra.Command, values map[string]*string) map[string]string {
	out := map[string]string{}
	for name, v := range values {
		if cmd.Flags().Changed(name) {
			out[name] = *v
		}
	}
	return out
}

// settingsHelp lists every environment variable.
func settingsHelp() string {
	var b strings.Builder
	for _, s := range config.Settings() {
		value := ""
		if s.Default != "" {
			value = " (" + s.Default + ")"
		}
		fmt.Fprintf(&b, "  %-30s %s%s\n", config.Env+s.Name, s.Help, value)
	}
	return b.String()
}

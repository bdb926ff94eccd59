//go:build lean

package main

import "github.com/spf13/cobra"

// processes are the commands that run Perennial itself: none that needs the
// embedded Temporal server, which the build tag lean leaves out.
func processes() []*cobra.Command { return nil }

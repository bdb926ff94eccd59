//go:build !lean

package main

import "github.com/spf13/cobra"

// processes are the commands that run Perennial itself.
func processes() []*cobra.Command { return []*cobra.Command{newUpCommand()} }

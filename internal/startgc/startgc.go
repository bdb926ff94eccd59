// Package startgc keeps the garbage collector from running while the program's
// packages are initialised: 900 of them make 12 MB that all stay, and collecting
// that took a fifth of the 50 ms in which a short command was done.
//
// Start reading at Steady. The package imports nothing but the standard library,
// so that Go initialises it before the packages that it is for.
package startgc

import (
	"os"
	"runtime/debug"
)

// steady is Go's own default, in percent; relaxed lets a small heap grow to 16 MB
// before it is collected.
const (
	steady  = 100
	relaxed = 400
)

// chosen reports whether the user set the collector.
var chosen = os.Getenv("GOGC") != ""

func init() { //nolint:gochecknoinits // it must come before other packages' own
	if !chosen {
		debug.SetGCPercent(relaxed)
	}
}

// Steady sets the collector as Go does by default, or leaves it as GOGC says. A
// process that stays, or trains, calls it first.
func Steady() {
	if !chosen {
		debug.SetGCPercent(steady)
	}
}

// Command perennial keeps a good model in production: `perennial up` runs
// everything in one process, the other commands talk to it over HTTP.
//
// One file per command group holds flags, printing and exit codes; what the
// commands do is done by internal/client and the packages it speaks to. Start
// reading at run, then at newRoot.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

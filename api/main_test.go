package api_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden answers anew")

func TestMain(m *testing.M) {
	// fasthttp keeps one goroutine for the Date header for ever, and one that cleans
	// a stopped worker pool for ten seconds more.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// Package client is the one way into a running Perennial from the outside: the
// JSON that travels over HTTP (wire.go, views.go) and a client that speaks it.
// The CLI, the tests and the bootstrap of `perennial up` all go through it.
//
// It must not know how the other side works: no database, no Temporal, no
// Fiber. Unknown response fields are ignored, so that an older client works
// with a newer server. Start reading at Client.
package client

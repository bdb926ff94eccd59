// Package processtest runs the built program as a person would: it starts
// `perennial up` on a directory of its own, asks it over HTTP, kills it and
// starts it again. The binary comes from PERENNIAL_TEST_BINARY, or is built
// first; a second build, with models that break in service, is made with the tag
// testmodels. The kill tests end in requireSound, which says what must hold
// whatever happened. Nothing here links the Temporal server. Start reading at setup in
// process_test.go.
package processtest

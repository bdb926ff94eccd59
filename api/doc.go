// Package api is Perennial's HTTP interface on Fiber: predictions, their
// lineage, models, pipelines, workflows, runs, decisions and status.
//
// It decodes, tells who asks (roles.go), asks one of the small interfaces in needs.go and
// encodes; it decides nothing, starts no workflow and opens no database. Every
// error answer is one problem document (problem.go); internal causes go to the
// log only. POST /predict, health and metrics are plain Fiber handlers, all
// else is registered with huma, which validates requests and writes the OpenAPI
// document from the same types (huma.go).
//
// Start reading at New, then around (request.go), which every request passes.
package api
